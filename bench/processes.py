"""Finds the processes of a service on this machine, from the port that it listens on, and reads what they have used.

All of a stack descends from one process (`make up`, a test): the nearest ancestor of whoever listens on the port, below
which there is a process of each role, is taken for that. Where there is none, as with containers, every process of the
machine that looks like one is taken; bench.usage then compares with what the service tells of itself.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from bench.errors import Spoiled

Roots = dict[str, list[psutil.Process]]
"""By role: the processes that are no children of another one of their role."""

LIVE: Final[Mapping[str, tuple[str, ...]]] = {"api": ("api",), "worker": ("worker",)}
POLLING: Final[Mapping[str, tuple[str, ...]]] = {"api": ("baseline", "api"), "worker": ("baseline", "worker")}
"""What stands after `python -m`, by role."""
_REDIS: Final = ("valkey-server", "redis-server")
_INIT: Final = 1


def find(url: str, roles: Mapping[str, tuple[str, ...]]) -> Roots:
    """The processes of these roles behind `url`; empty when it is on another machine, or they cannot be seen."""
    if not is_here(url):
        return {}
    entrance = _listening(_port(url))
    stack = _stack(entrance, roles) if entrance else None
    everything = list(psutil.process_iter()) if stack is None else stack
    found = {role: _roots(everything, _runs(*words)) for role, words in roles.items()}
    if not all(found.values()):
        return {}
    return _of_one_system(entrance, found) if entrance in found["api"] else found


def find_servers(apis: Iterable[psutil.Process]) -> Roots:
    """The Redis and the PostgreSQL that these replicas use; without those that cannot be told for sure."""
    replicas = list(apis)
    if not replicas:
        return {}
    beyond = {process.pid: process for api in replicas for process in _connected(api)}.values()
    found: Roots = {}
    if redis := _roots(beyond, _is_redis):
        found["redis"] = redis
    # PostgreSQL may be reached over a Unix socket, and of that nobody tells who is at the other end.
    if postgres := _roots(beyond, _is_postgres) or _nearest(replicas[0], _is_postgres):
        found["postgresql"] = postgres
    return found


def find_hub(url: str) -> Roots:
    """The nginx that listens at `url`, if it is one."""
    entrance = _listening(_port(url)) if is_here(url) else None
    if entrance is None or not _is_nginx(entrance):
        return {}
    return {"hub": _roots([entrance, *entrance.parents()], _is_nginx)}


def cpu_s(roots: Iterable[psutil.Process]) -> float:
    """Seconds of CPU of these processes and their descendants, those that have ended too; user and system.

    The kernel counts in ticks (10 ms), for each process. Raises Spoiled when one of the roots has ended.
    """
    total = 0.0
    for root in roots:
        try:
            total += _cpu_s(root)
            for child in root.children(recursive=True):
                total += _cpu_s_or_nothing(child)
        except psutil.NoSuchProcess as error:
            raise Spoiled(f"a server (pid {root.pid}) ended during the measurement") from error
    return total


def is_here(url: str) -> bool:
    """Whether the host of `url` is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        theirs = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    ours = _our_addresses()
    return any(address in ours or ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in theirs)


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _cpu_s_or_nothing(child: psutil.Process) -> float:
    try:
        return _cpu_s(child)
    except psutil.NoSuchProcess:  # its parent has its time by now, or will have at the next reading
        return 0.0


def _listeners() -> dict[int, int]:
    """The pid by port, as far as we may see it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return {}
    return {one.laddr[1]: one.pid for one in connections if one.status == psutil.CONN_LISTEN and one.laddr and one.pid}


def _listening(port: int) -> psutil.Process | None:
    pid = _listeners().get(port)
    return None if pid is None else psutil.Process(pid)


def _connected(process: psutil.Process) -> list[psutil.Process]:
    """The processes of this machine that listen where this one is connected to."""
    try:
        connections = process.net_connections("tcp")
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return []
    remote = {each.raddr for each in connections if each.status == psutil.CONN_ESTABLISHED}
    listeners, ours = _listeners(), _our_addresses()
    pids = {listeners[port] for address, port in remote if address in ours and port in listeners}
    return [psutil.Process(pid) for pid in pids]


def _our_addresses() -> set[str]:
    return {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}


def _stack(entrance: psutil.Process, roles: Mapping[str, tuple[str, ...]]) -> list[psutil.Process] | None:
    """Everything below the nearest ancestor that has all of the roles below it."""
    for ancestor in _ancestors(entrance):
        below = _below(ancestor)
        if all(any(map(_runs(*words), below)) for words in roles.values()):
            return below
    return None


def _of_one_system(api: psutil.Process, found: Roots) -> Roots:
    """Without the processes of other stacks below the same ancestor: those that share nothing with this api.

    The replicas and workers of a system meet at its Redis, those of the baseline in its file.
    """
    shared = _meeting_points(api)
    narrowed = {role: [one for one in roots if _meeting_points(one) & shared] for role, roots in found.items()}
    return narrowed if all(narrowed.values()) else found


def _meeting_points(process: psutil.Process) -> set[Any]:
    """The listeners of this machine that it is connected to, and the databases that it has open."""
    try:
        remote = [one.raddr for one in process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]
        files = {file.path for file in process.open_files() if file.path.endswith(".db")}
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return set()
    listeners = _listeners()
    return files | {address.port for address in remote if address.port in listeners}


def _nearest(process: psutil.Process, fits: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """The one below the nearest ancestor that has any; none when there are several, for it is not known which."""
    for ancestor in _ancestors(process):
        if found := _roots(_below(ancestor), fits):
            return found if len(found) == 1 else []
    return []


def _ancestors(process: psutil.Process) -> list[psutil.Process]:
    """The process, its parent, and so on; without the one that everything descends from."""
    return [process, *(parent for parent in process.parents() if parent.pid != _INIT)]


def _below(ancestor: psutil.Process) -> list[psutil.Process]:
    try:
        return [ancestor, *ancestor.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _roots(processes: Iterable[psutil.Process], fits: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Those that fit, without the children of others that do."""
    fitting = {process.pid: process for process in processes if fits(process)}
    return [process for process in fitting.values() if _parent(process) not in fitting]


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return 0


def _runs(*words: str) -> Callable[[psutil.Process], bool]:
    """Whether a process is `python -m WORDS`, and not one that starts or watches such a process."""

    def fits(process: psutil.Process) -> bool:
        return runs_module(_command(process), words)

    return fits


def runs_module(command: list[str], words: tuple[str, ...]) -> bool:
    """Whether the command line is `python [options] -m WORDS …`."""
    if "-m" not in command[1:]:
        return False
    at = command.index("-m", 1)
    return all(option.startswith("-") for option in command[1:at]) and tuple(command[at + 1 :][: len(words)]) == words


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def _is_redis(process: psutil.Process) -> bool:
    return _name(process) in _REDIS


def _is_postgres(process: psutil.Process) -> bool:
    return _name(process) == "postgres"


def _is_nginx(process: psutil.Process) -> bool:
    return _name(process) == "nginx"
