"""Ports: one that is free, and whether those that were asked for are."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psutil

_OWN_RANGE: Final = range(20_000, 30_000)
"""Below the range from which the kernel takes the ports of outgoing connections (32768 and up on Linux): nobody is
given the port of a server of ours while it is restarted, and no client of it connects to itself."""
_TRIES: Final = 100


class PortTaken(Exception):
    """A port that something here needs is in use, or is wanted twice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedPort:
    """A port, what listens on it, and the setting that names it."""

    host: str
    port: int
    purpose: str
    variable: str


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nothing listens now. Somebody may take it before you do: try again with another then."""
    for port in random.sample(_OWN_RANGE, _TRIES):
        if is_free(host, port):
            return port
    msg = f"none of {_TRIES} ports tried between {_OWN_RANGE.start} and {_OWN_RANGE.stop} is free on {host}"
    raise PortTaken(msg)


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there. Connections of an earlier one that linger (TIME_WAIT) don't matter."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def require_free(wanted: Sequence[WantedPort]) -> None:
    """Raises PortTaken for the first port that is in use or wanted twice, and says which variable changes it."""
    seen: dict[int, WantedPort] = {}
    for one in wanted:
        if one.port in seen:
            other = seen[one.port]
            msg = (
                f"port {one.port} is wanted by both {other.purpose} ({other.variable}) and {one.purpose} "
                f"({one.variable}): set {one.variable} to another port"
            )
            raise PortTaken(msg)
        seen[one.port] = one
        if not is_free(one.host, one.port):
            msg = (
                f"port {one.port} on {one.host} is taken{_holder(one.port)}, and {one.purpose} needs it: "
                f"set {one.variable} to another port"
            )
            raise PortTaken(msg)


def _holder(port: int) -> str:
    """` by NAME (pid N)`, as far as this user may know."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        listens_there = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
        if listens_there and connection.pid:
            return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
