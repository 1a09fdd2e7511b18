"""Logging of a worker process: constant sentences, everything else as fields."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, Literal

import structlog

_TRACEBACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""Without the values of variables: those hold users' data and addresses with passwords."""

_OF_EACH_MESSAGE: Final = ("celery.worker.strategy", "celery.app.trace")
"""Loggers that tell, as info, of every message; `worker.attempt` tells of the attempt, with its task and its end."""

Format = Literal["text", "json"]


def configure_logging(log_format: Format, level: str) -> None:
    """Send the records of structlog and of the standard library, in one form, to standard output."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: list[Any] = (
        [structlog.processors.ExceptionRenderer(_TRACEBACKS), structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _OF_EACH_MESSAGE:
        logging.getLogger(name).setLevel(logging.WARNING if level == "info" else level.upper())
    logging.captureWarnings(capture=True)
