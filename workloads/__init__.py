"""What the tasks compute. One file a kind: a model of its parameters, and a generator that yields updates.

Everything here is pure: no clock, no network, no database. A workload that wants to wait yields a `Pause`, and whoever
runs it waits. To add a kind, write such a file and name its module in the setting, or as an entry point of the group
`workloads` (see `workloads.registry`).
"""
