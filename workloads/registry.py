"""Kinds of task: how one is declared, and where they are found.

    @workload("word_count", params=WordCount)
    def word_count(params: WordCount) -> Run:
        "Counts words."
        ...

The decorator turns the generator function into a `Kind`. `load` collects the kinds of the shipped modules, of the
modules it is given, and of the entry points of the group `workloads`.

    WorkloadError
    ├── InvalidKind         a declaration that cannot work
    ├── DuplicateKind       two kinds of one name
    ├── NoSuchKind          asked for by a name that no kind has; also a KeyError
    └── InvalidModule       a module or entry point that holds no kind, or fails when it is imported
        └── NoSuchModule    a module that is not there
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from workloads.updates import Run

SHIPPED: Final = ("workloads.compute_pi", "workloads.document_analysis", "workloads.synthetic")
ENTRY_POINT_GROUP: Final = "workloads"
MAX_BACKOFF_S: Final = 45.0
"""Less than the broker's visibility time-out: a message that waits longer is delivered again before its time."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)

ParamsT = TypeVar("ParamsT", bound=BaseModel)


class WorkloadError(Exception):
    """Anything that is wrong with how kinds are declared or found."""


class InvalidKind(WorkloadError):
    """A declaration that cannot work; the message says which part of it."""


class DuplicateKind(WorkloadError):
    """Two kinds have one name."""

    def __init__(self, first: Kind, second: Kind) -> None:
        super().__init__(f"two kinds are named {first.name!r}: {first.origin} and {second.origin}")


class NoSuchKind(WorkloadError, KeyError):
    """No kind has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no kind is named {name!r}; there are {', '.join(known) or 'none'}")

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would quote it


class InvalidModule(WorkloadError):
    """A module or entry point that holds no kind, or that fails when it is imported."""


class NoSuchModule(InvalidModule):
    """A module that is not there."""


@dataclass(frozen=True)
class Kind:
    """A kind of task. `run` takes an instance of `params`. Raises InvalidKind for what cannot work.

    A failed attempt is repeated after `backoff_s`, the next after twice that, and so on (at most MAX_BACKOFF_S), up to
    `max_attempts` in all.
    `time_limit_s` is the soft limit for one attempt.
    """

    name: str
    params: type[BaseModel]
    run: Callable[[Any], Run]
    summary: str
    max_attempts: int = 3
    backoff_s: float = 1.0
    time_limit_s: float = 3600.0

    def __post_init__(self) -> None:
        if NAME.fullmatch(self.name) is None:
            msg = f"{self.name!r} is no name for a kind: expected {NAME.pattern}"
            raise InvalidKind(msg)
        params: object = self.params
        if not (isinstance(params, type) and issubclass(params, BaseModel)):
            msg = f"the parameters of {self.name!r} must be a pydantic model, not {self.params!r}"
            raise InvalidKind(msg)
        if self.max_attempts < 1 or not self.backoff_s >= 0 or not self.time_limit_s > 0:
            msg = f"{self.name!r} needs max_attempts >= 1, backoff_s >= 0 and time_limit_s > 0"
            raise InvalidKind(msg)

    def retry_in_s(self, failures: int) -> float:
        """How long after its `failures`-th failure a task waits for its next attempt."""
        return float(min(self.backoff_s * 2 ** min(failures - 1, 32), MAX_BACKOFF_S))

    @property
    def origin(self) -> str:
        """Where the generator function was defined, for messages."""
        return f"{getattr(self.run, '__module__', '?')}.{getattr(self.run, '__qualname__', '?')}"


def workload(
    name: str,
    *,
    params: type[ParamsT],
    max_attempts: int = 3,
    backoff_s: float = 1.0,
    time_limit_s: float = 3600.0,
) -> Callable[[Callable[[ParamsT], Run]], Kind]:
    """Turn a generator function into a kind, whose summary is the first line of its docstring. Raises InvalidKind."""

    def declare(run: Callable[[ParamsT], Run]) -> Kind:
        if not inspect.isgeneratorfunction(run):
            msg = f"{name!r} must be a generator function: it yields its updates and returns its result"
            raise InvalidKind(msg)
        summary = (inspect.getdoc(run) or "").partition("\n")[0]
        return Kind(name, params, run, summary, max_attempts, backoff_s, time_limit_s)

    return declare


class Registry(Mapping[str, Kind]):
    """Kinds by name, in the order in which they were found. Raises DuplicateKind.

    One kind found twice, as when a module imports it from another, counts once.
    """

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        self._kinds: dict[str, Kind] = {}
        for kind in kinds:
            known = self._kinds.setdefault(kind.name, kind)
            if known is not kind:
                raise DuplicateKind(known, kind)

    def __getitem__(self, name: str) -> Kind:
        try:
            return self._kinds[name]
        except KeyError:
            raise NoSuchKind(name, self._kinds) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def __repr__(self) -> str:
        return f"<Registry {', '.join(self._kinds)}>"


def load(modules: Sequence[str] = ()) -> Registry:
    """The kinds that ship, those of each module named by its import path, and those of installed entry points.

    Raises NoSuchModule, InvalidModule or DuplicateKind.
    """
    kinds: list[Kind] = []
    for path in (*SHIPPED, *modules):
        kinds += _kinds_of(_imported(path))
    # The order of entry points is that of sys.path; sorted, the registry is the same on every machine.
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: (entry.name, entry.value)):
        kinds += _kinds_of_entry(entry)
    return Registry(kinds)


def _imported(path: str) -> ModuleType:
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        missing = error.name or path
        if path == missing or path.startswith(f"{missing}."):
            msg = f"there is no module {path!r}"
            raise NoSuchModule(msg) from error
        msg = f"{path!r} needs the module {missing!r}, which is not there"
        raise InvalidModule(msg) from error
    except Exception as error:
        msg = f"{path!r} cannot be imported: {type(error).__name__}: {error}"
        raise InvalidModule(msg) from error


def _kinds_of(module: ModuleType) -> list[Kind]:
    kinds = [value for value in vars(module).values() if isinstance(value, Kind)]
    if not kinds:
        msg = f"{module.__name__!r} holds no kind: a kind is a module attribute made with @workload"
        raise InvalidModule(msg)
    return kinds


def _kinds_of_entry(entry: EntryPoint) -> list[Kind]:
    try:
        found = entry.load()
    except Exception as error:
        msg = f"the entry point {entry.name!r} = {entry.value!r} cannot be loaded: {type(error).__name__}: {error}"
        raise InvalidModule(msg) from error
    if isinstance(found, Kind):
        return [found]
    if isinstance(found, ModuleType):
        return _kinds_of(found)
    msg = f"the entry point {entry.name!r} = {entry.value!r} is neither a module nor a kind"
    raise InvalidModule(msg)
