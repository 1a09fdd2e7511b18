"""Runs the whole system on one machine, without a container engine: `python -m local up`.

It brings its own PostgreSQL and Valkey (a server of the Redis protocol), both from wheels.
The tests use the same servers.
"""
