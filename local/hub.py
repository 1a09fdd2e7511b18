"""The demo hub: nginx from its wheel, with the repository's nginx.conf and what differs on this machine beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from local.server import ServerError
from local.servers import nginx_program
from local.settings import ROOT

SITE: Final = ROOT / "demo_client" / "site"
SWAGGER_UI: Final = SITE / "vendor" / "swagger-ui"
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


def exposure(host: str, *, as_root: bool) -> str | None:
    """What whoever has the hub listen on `host` should know; None when only this machine reaches it."""
    if _is_loopback(host):
        return None
    processes = ", and its processes are root's" if as_root else ""
    return (
        f"HUB_HOST={host}: whoever reaches this machine may use the hub and both services behind it, for nobody signs "
        f"in{processes}."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _upstream(name: str, servers: Iterable[str]) -> str:
    """A group of servers that keeps connections open, and the variable with its name.

    Its zone is what the workers of nginx have in common: how many connections each server has.
    """
    # Never given up: nginx trusts one that was away again when the first request to it is over, and that may be a
    # WebSocket. To find it away costs next to nothing on one machine, and the next server is tried at once.
    lines = [f"server {server} max_fails=0;" for server in servers]
    return (
        f"upstream {name} {{\n    zone {name} 64k;\n    least_conn;\n    "
        + "\n    ".join(lines)
        + "\n    keepalive 64;\n    keepalive_timeout 60s;\n}\n"
        + f'map "" ${name}_upstream {{\n    default {name};\n}}\n'
    )
