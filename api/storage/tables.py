r"""The tables, as SQLAlchemy Core sees them; `migrations/` creates them and a test keeps the two equal.

JSON columns are `json`, not `jsonb`: json keeps the text as the worker wrote it (large integers, the order of keys) and
accepts the escape \u0000, which jsonb refuses. Nothing here is queried by what is inside of it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from protocol.events import State

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_STATES = ", ".join(f"'{state}'" for state in State)

tasks: Final = Table(
    "tasks",
    metadata,
    Column("id", Uuid, primary_key=True),  # UUIDv7: newest first is ORDER BY id DESC
    Column("kind", Text, nullable=False),
    Column("params", JSON, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=State.QUEUED.value),
    Column("state_seq", BigInteger, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("seq", BigInteger, nullable=False, server_default="0"),
    Column("progress", JSON(none_as_null=True)),
    Column("progress_seq", BigInteger, nullable=False, server_default="0"),
    Column("error", JSON(none_as_null=True)),
    Column("result", JSON(none_as_null=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("dispatched_at", DateTime(timezone=True)),
    Column("cancel_requested_at", DateTime(timezone=True)),
    Column("idempotency_key", Text),
    Column("request_hash", Text),
    CheckConstraint(f"state IN ({_STATES})", name="state"),
    UniqueConstraint("idempotency_key"),
    # Progress writes touch no indexed column; with free room on the page they stay there (heap-only tuples).
    postgresql_with={"fillfactor": 80},
)

Index("ix_tasks_kind_id", tasks.c.kind, tasks.c.id)
Index("ix_tasks_state_id", tasks.c.state, tasks.c.id)
Index("ix_tasks_unfinished", tasks.c.id, postgresql_where=text("finished_at IS NULL"))

events: Final = Table(
    "events",
    metadata,
    # No foreign key to tasks. Projection locks the rows of a batch before it writes their events, so an event without
    # a task cannot get in; a foreign key would check that again for every event, and could only make a batch fail.
    Column("task_id", Uuid, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("ts", Double, nullable=False),  # Unix milliseconds, as on the wire
    Column("type", Text, nullable=False),
    Column("data", JSON, nullable=False),
)
