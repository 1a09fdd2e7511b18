"""The contract between the api and the worker. docs/protocol.md is its normative text; § numbers refer to it.

Everything here is pure but `log`, `nodes` and `async_nodes`, which talk to Redis.
"""
