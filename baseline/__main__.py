"""`python -m baseline api` serves, `python -m baseline worker` runs tasks; each until SIGTERM."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from baseline.settings import BaselineSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 when something that it needs is missing, 2 for a wrong call or wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m baseline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("api", help="serve HTTP")
    commands.add_parser("worker", help="run tasks")
    command = parser.parse_args(arguments).command
    try:
        settings = BaselineSettings()
    except ValidationError as error:
        sys.stderr.write(f"baseline: {error}\n")
        return 2
    # Imported here: neither process should pay for what only the other needs.
    if command == "api":
        from baseline.api.app import serve  # noqa: PLC0415

        return serve(settings)
    from baseline.worker.process import work  # noqa: PLC0415

    return work(settings)


if __name__ == "__main__":
    sys.exit(main())
