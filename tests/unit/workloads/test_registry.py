import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from workloads import registry
from workloads.compute_pi import compute_pi
from workloads.registry import (
    DuplicateKind,
    InvalidKind,
    InvalidModule,
    Kind,
    NoSuchKind,
    NoSuchModule,
    Registry,
    WorkloadError,
    load,
    workload,
)
from workloads.updates import Chunk, Run

SHIPPED = ["compute_pi", "document_analysis", "synthetic"]

PLUGIN = """
from pydantic import BaseModel
from workloads.registry import workload
from workloads.compute_pi import compute_pi

class Empty(BaseModel):
    pass

@workload("{name}", params=Empty)
def {name}(params):
    "Does nothing."
    yield from ()
    return None
"""


class Empty(BaseModel):
    pass


def one_chunk(_: Empty) -> Run:
    """Emits one chunk.

    And says no more.
    """
    yield Chunk("one")
    return None


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path whose modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def plugin(folder: Path, module: str, text: str) -> str:
    (folder / f"{module}.py").write_text(text)
    return module


def entries(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, str]) -> None:
    """Install entry points. What reads them from disk is the standard library's."""
    points = [EntryPoint(name, value, registry.ENTRY_POINT_GROUP) for name, value in found]
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [point for point in points if point.group == group])


def test_the_decorator_makes_a_kind_whose_summary_is_the_first_line() -> None:
    kind = workload("one_chunk", params=Empty, max_attempts=5, backoff_s=0.5, time_limit_s=60)(one_chunk)
    assert kind == Kind("one_chunk", Empty, one_chunk, "Emits one chunk.", 5, 0.5, 60)
    assert list(kind.run(Empty())) == [Chunk("one")]


def test_a_kind_has_three_attempts_an_hour_each_unless_it_says_otherwise() -> None:
    kind = workload("one_chunk", params=Empty)(one_chunk)
    assert (kind.max_attempts, kind.backoff_s, kind.time_limit_s) == (3, 1.0, 3600.0)


@pytest.mark.parametrize("name", ["", "Pi", "9lives", "_x", "a-b", "a b", "a" * 64, "é", "a\n"])
def test_a_name_that_could_not_be_a_queue_or_a_path_is_refused(name: str) -> None:
    with pytest.raises(InvalidKind, match="no name"):
        workload(name, params=Empty)(one_chunk)


@pytest.mark.parametrize("name", ["a", "a1_b", "a" * 63])
def test_a_short_lower_case_name_is_accepted(name: str) -> None:
    assert workload(name, params=Empty)(one_chunk).name == name


def test_parameters_must_be_a_model() -> None:
    with pytest.raises(InvalidKind, match="pydantic model"):
        workload("x", params=dict)(one_chunk)  # type: ignore[type-var, arg-type]


def test_a_function_that_does_not_yield_is_refused() -> None:
    def returns(_: Empty) -> Any:
        return None

    with pytest.raises(InvalidKind, match="generator function"):
        workload("x", params=Empty)(returns)


@pytest.mark.parametrize(
    "numbers", [{"max_attempts": 0}, {"backoff_s": -1}, {"backoff_s": float("nan")}, {"time_limit_s": 0}]
)
def test_numbers_that_cannot_work_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(InvalidKind, match="max_attempts >= 1"):
        workload("x", params=Empty, **numbers)(one_chunk)


def test_the_shipped_kinds_are_there_with_a_summary_and_documented_parameters() -> None:
    kinds = load()
    assert list(kinds) == SHIPPED
    for kind in kinds.values():
        assert kind.summary.endswith(".")
        kind.params()  # every parameter has a default
        schema = kind.params.model_json_schema()
        assert schema["title"]
        assert schema["additionalProperties"] is False
        assert all(field["title"] and field["description"] for field in schema["properties"].values())


def test_a_registry_is_a_mapping_by_name() -> None:
    kinds = Registry([compute_pi])
    assert dict(kinds) == {"compute_pi": compute_pi}
    assert "compute_pi" in kinds
    assert kinds.get("compute_e") is None
    assert repr(kinds) == "<Registry compute_pi>"


def test_an_unknown_name_is_a_key_error_that_tells_the_known_ones() -> None:
    with pytest.raises(NoSuchKind) as caught:
        load()["compute_e"]
    assert isinstance(caught.value, KeyError)
    assert str(caught.value) == "no kind is named 'compute_e'; there are compute_pi, document_analysis, synthetic"


def test_two_kinds_of_one_name_are_refused_and_both_are_named() -> None:
    other = Kind("compute_pi", Empty, one_chunk, "")
    with pytest.raises(DuplicateKind, match=r"workloads\.compute_pi\.compute_pi and .*one_chunk"):
        Registry([compute_pi, other])


def test_one_kind_found_twice_counts_once() -> None:
    assert list(Registry([compute_pi, compute_pi])) == ["compute_pi"]
    assert list(load(["workloads.compute_pi", "workloads.compute_pi"])) == SHIPPED


def test_an_extra_module_adds_its_kinds_and_may_import_others(plugins: Path) -> None:
    module = plugin(plugins, "plugin_nothing", PLUGIN.format(name="nothing"))
    assert list(load([module])) == [*SHIPPED, "nothing"]


def test_an_extra_module_cannot_take_the_name_of_a_shipped_kind(plugins: Path) -> None:
    module = plugin(plugins, "plugin_thief", PLUGIN.format(name="synthetic"))
    with pytest.raises(DuplicateKind, match="plugin_thief"):
        load([module])


@pytest.mark.parametrize("path", ["no_such_module", "no.such.module", "workloads.compute_e", "workloads.compute_pi.x"])
def test_a_module_that_is_not_there_is_said_to_be(path: str) -> None:
    with pytest.raises(NoSuchModule, match="there is no module"):
        load([path])


@pytest.mark.parametrize("path", ["", ".compute_pi", "workloads..updates"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(InvalidModule):
        load([path])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_dependency", "needs the module 'no_such_dependency'"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("x = 1", "holds no kind"),
    ],
)
def test_a_module_that_is_no_use_says_why(plugins: Path, text: str, message: str) -> None:
    module = plugin(plugins, "plugin_broken", text)
    with pytest.raises(InvalidModule, match=message) as caught:
        load([module])
    assert not isinstance(caught.value, NoSuchModule)
    assert "plugin_broken" in str(caught.value)


def test_an_entry_point_names_a_module_or_a_kind(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(plugins, "plugin_one", PLUGIN.format(name="one"))
    plugin(plugins, "plugin_two", PLUGIN.format(name="two"))
    entries(monkeypatch, ("b", "plugin_two:two"), ("a", "plugin_one"))
    assert list(load()) == [*SHIPPED, "one", "two"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_module", "cannot be loaded: ModuleNotFoundError"),
        ("workloads.compute_pi:nothing", "cannot be loaded: AttributeError"),
        ("workloads.compute_pi:ComputePi", "neither a module nor a kind"),
        ("workloads.updates", "holds no kind"),
    ],
)
def test_an_entry_point_that_is_no_use_says_why(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    entries(monkeypatch, ("mine", value))
    with pytest.raises(InvalidModule, match=message):
        load()


def test_every_error_here_is_a_workload_error() -> None:
    for error in (InvalidKind, DuplicateKind, NoSuchKind, InvalidModule, NoSuchModule):
        assert issubclass(error, WorkloadError)
