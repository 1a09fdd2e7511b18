"""PostgreSQL: the durable rows of tasks and the archive of their events. The only package that knows SQLAlchemy.

`changes` holds plain values and no I/O, so that `api.projection.fold` can stay pure.
"""
