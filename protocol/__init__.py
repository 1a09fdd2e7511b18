"""The contract between the api and the worker. docs/protocol.md is its normative text; § numbers refer to it.

Everything here is pure but `protocol.log`, the only module that talks to Redis.
"""
