"""HTTP: submit a task, and ask how far it is in one of three ways."""
