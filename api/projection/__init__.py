"""Projection: events from the partition streams become rows in PostgreSQL, at least once and with the effect of once.

`fold` is the pure part (events to changes), `batcher` decides when to write, `streams` talks to the consumer group,
`consumer` puts them together, `dead_letters` keeps what cannot be applied.
"""
