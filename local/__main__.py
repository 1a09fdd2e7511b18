"""`python -m local COMMAND`; see `python -m local --help`."""

from __future__ import annotations

import sys

from local.waiting import heed_stop_signals


def _run() -> int:
    heed_stop_signals()
    from local.commands import main  # noqa: PLC0415 - takes a while, and a signal may come while it does

    return main()


if __name__ == "__main__":
    sys.exit(_run())
