"""The SQLite file: its tables, and every statement that is run on them. Functions take the connection to run on."""
