"""The account that PostgreSQL runs under: ours, but it refuses to run as root. Root starts it as `pgserver` then.

That account is made when it is missing, owns the data, and must be able to walk to the data and to the programs:
folders on the way that are closed to others get the right to be walked through (not to be listed).
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from local.waiting import wait_until

_NAME: Final = "pgserver"
_READ_AND_RUN: Final = stat.S_IROTH | stat.S_IXOTH
_TIMEOUT_S: Final = 10.0
"""Two that make the account at the same time get in each other's way; the second try finds it made."""


def server_account() -> str | None:
    """The name of the account for PostgreSQL; None when this one will do."""
    return _NAME if os.geteuid() == 0 else None


def hand_over(directories: Iterable[Path], *, programs: Path) -> None:
    """Make `directories`, open to nobody but the server's account, and let it run what is in the folder `programs`.

    Raises PermissionError when one of them exists and belongs to somebody else: others can guess its name, perhaps.
    """
    account = server_account()
    if account and not wait_until(lambda: _exists(account), timeout_s=_TIMEOUT_S):
        msg = f"the account {account}, under which root runs PostgreSQL, cannot be made with useradd"
        raise PermissionError(msg)
    owner = pwd.getpwnam(account).pw_uid if account else os.geteuid()
    for directory in directories:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
            msg = f"{directory} belongs to somebody else: remove it"
            raise PermissionError(msg)
        directory.chmod(0o700)
        if account:
            shutil.chown(directory, account, account)
            _open_the_way_to(directory)
    if account:
        _open_the_way_to(programs)
        if (programs / "postgres").stat().st_mode & _READ_AND_RUN != _READ_AND_RUN:
            package = programs.parents[1]
            for folder in (package.with_name(f"{package.name}.libs"), package):  # the wheel's libraries have their own
                _open(folder)


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        made = subprocess.run(["useradd", "--system", "--no-create-home", account], capture_output=True, check=False)
        return made.returncode == 0
    return True


def _open_the_way_to(path: Path) -> None:
    for folder in path.absolute().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _open(folder: Path) -> None:
    """Let everybody use what is in `folder`; root with a umask of 077 has installed it for itself only."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IROTH | (stat.S_IXOTH if path.stat().st_mode & stat.S_IXUSR else 0))
