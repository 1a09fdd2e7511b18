"""Runs the programs of the system beside one another, with their output line by line behind their names.

A process of its own, so that whoever starts it keeps its own signal handlers and its main thread. It reads the programs
as JSON from its standard input, and ends all of them when one ends or when it gets SIGTERM.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import honcho.manager
import honcho.printer

_INTERNAL_ERROR = 70
"""EX_SOFTWARE of sysexits.h."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A line of shell, what its output is marked with, and what its environment has beyond ours."""

    name: str
    command: str
    environment: dict[str, str] = field(default_factory=dict)


def encode(programs: Sequence[Program], *, patience_s: float) -> bytes:
    """What the supervisor reads. `patience_s`: how long the others get once the first has ended, before SIGKILL."""
    return json.dumps({"patience_s": patience_s, "programs": [asdict(program) for program in programs]}).encode()


class _Printer(honcho.printer.Printer):  # type: ignore[misc]  # honcho has no types
    """Leaves the process ids out of what honcho says itself: they are those of the keepers, and nobody's to kill."""

    def write(self, message: honcho.printer.Message) -> None:
        if message.name == honcho.manager.SYSTEM_PRINTER_NAME:
            message = message._replace(data=re.sub(r" \(pid[ =]\d+\)", "", message.data))
        super().write(message)


def main() -> int:
    """Run until every program has ended; the exit code of the one that ended first, or 128 + the signal we got."""
    wanted = json.load(sys.stdin)
    honcho.manager.KILL_WAIT = wanted["patience_s"]  # 5 s of its own, which would cut the worker's drain short
    manager = honcho.manager.Manager(_Printer(sys.stdout))
    for program in (Program(**fields) for fields in wanted["programs"]):
        manager.add_process(program.name, program.command, env={**os.environ, **program.environment})
    try:
        manager.loop()
    except BaseException:  # noqa: BLE001 - whatever it is, an orderly exit would now wait for the programs for ever
        if manager.returncode is None:  # else it was a signal while the programs were being started: nothing is wrong
            traceback.print_exc()
        os._exit(_INTERNAL_ERROR)
    return int(manager.returncode or 0)


if __name__ == "__main__":
    sys.exit(main())
