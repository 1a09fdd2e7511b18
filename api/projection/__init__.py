"""Projection: events from the partition streams become rows in PostgreSQL, at least once and with the effect of once.

Pure are `frames` (bytes to events), `fold` (events to changes, rows and changes to rows) and `entries`; `batcher`
decides when to write. `streams` talks to the consumer group, `writer` commits and acknowledges, `consumer` puts them
together under a `supervisor`, and `lanes` has one or more of those for all partitions. `dead_letters` keeps what cannot
be applied. `read` answers from rows and heads.
"""
