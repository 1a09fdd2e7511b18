"""The Python client: submit tasks and follow them, resuming by itself. `python -m client` is its command line."""
