"""Runs tasks: a thread for each attempt, and one, the desk, that alone talks to the file."""
