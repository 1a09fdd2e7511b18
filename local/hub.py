"""The demo hub: nginx from its wheel, with the repository's nginx.conf and what differs on this machine beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from local.server import ServerError
from local.servers import nginx_program
from local.settings import ROOT

SITE: Final = ROOT / "demo_client" / "site"
_VENDORED: Final = SITE / "vendor" / "uplot" / "uPlot.esm.js"


def prepare_hub(folder: Path, *, host: str, port: int, apis: Iterable[str], baseline: str) -> list[str]:
    """Write the configuration into `folder`; the command that runs it in the foreground.

    `apis` and `baseline`: host:port of the services behind. Raises ServerError when the hub was not set up.
    """
    if not _VENDORED.exists():
        msg = f"{_VENDORED} is missing: run `make hub` once"
        raise ServerError(msg)
    beside = folder / "hub.d"
    beside.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "nginx.conf", folder / "nginx.conf")
    (beside / "http.conf").write_text(_upstream("api", apis) + _upstream("baseline", [baseline]))
    address = f"[{host}]" if ":" in host else host
    (beside / "server.conf").write_text(f'listen {address}:{port};\nroot "{SITE}";\n')
    # Started by root, its workers are root's too: the checkout may lie where no other account can read.
    user = " user root;" if os.geteuid() == 0 else ""
    paths = ["-p", f"{folder}/", "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    return [str(nginx_program()), *paths, "-g", f"daemon off;{user}"]


def _upstream(name: str, servers: Iterable[str]) -> str:
    """A group of servers that keeps connections open, and the variable with its name."""
    lines = [f"server {server} max_fails=1 fail_timeout=1s;" for server in servers]
    return (
        f"upstream {name} {{\n    least_conn;\n    "
        + "\n    ".join(lines)
        + "\n    keepalive 64;\n    keepalive_timeout 60s;\n}\n"
        + f'map "" ${name}_upstream {{\n    default {name};\n}}\n'
    )
