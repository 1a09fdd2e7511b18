"""The polling control: a task service as it is usually built, done properly, to compare the event-driven one with.

Two processes and one SQLite file. The api stores tasks and answers those who ask how far they are; the worker claims
tasks, runs their workloads and writes every update as a row. Nobody is told anything: who wants to know asks.
"""
