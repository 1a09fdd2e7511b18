"""The commands of `python -m local`, and what becomes of a failure: a message, exit code 1, no process left."""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import suppress
from typing import Final

from local import migrations
from local.children import adopt_orphans, end_all
from local.ports import PortTaken
from local.reach import Unreachable
from local.server import ServerError
from local.settings import BadSettings, from_environment
from local.up import Ended, LocalDirTaken, sole_user, up
from local.waiting import StopRequested, ignore_stop_signals

_FAILURES: Final = (BadSettings, Ended, LocalDirTaken, migrations.MigrationFailed, PortTaken, ServerError, Unreachable)


def main() -> int:
    """The exit code: 0 when it did what it was asked, 1 with a message when something failed or was cut short."""
    adopt_orphans()
    parser = argparse.ArgumentParser(prog="python -m local", description="Everything on this machine.")
    commands = {"up": _up, "check-migrations": migrations.check, "clean-data": _clean_data}
    parser.add_argument("command", choices=commands)
    try:
        commands[parser.parse_args().command]()
    except StopRequested as stop:
        sys.stderr.write(f"\nStopped by {stop} before it was done\n")
        return 1
    except (*_FAILURES, OSError) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    finally:
        ignore_stop_signals()
        end_all()
    return 0


def _up() -> None:
    with suppress(StopRequested):  # how it is meant to end
        up(from_environment())


def _clean_data() -> None:
    local_dir = from_environment().local_dir
    with sole_user(local_dir):
        shutil.rmtree(local_dir)
