"""docs/protocol.md and what cites it agree."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from protocol import usage
from protocol.calls import LogLimits
from protocol.head import HEAD_FIELDS
from protocol.keys import PARTITIONS, TaskKeys, partition_of
from protocol.usage import Usage

ROOT: Final = Path(__file__).parents[3]
DOCUMENT: Final = (ROOT / "docs" / "protocol.md").read_text("utf-8")
CASES: Final = json.loads((ROOT / "tests" / "cases" / "append_decisions.json").read_text("utf-8"))
SECTIONS: Final = {
    match["number"]: match["text"]
    for match in re.finditer(
        r"^##+ (?P<number>[\d.]+?)\.? .*\n(?P<text>(?:(?!^##).*\n?)*)", DOCUMENT, flags=re.MULTILINE
    )
}
ROOMS: Final = ("api", "baseline", "bench", "client", "local", "protocol", "service", "tests", "worker", "workloads")


def sources() -> list[Path]:
    return [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in {".py", ".lua"}]


def cites(path: Path) -> set[str]:
    """The sections that a file cites: in protocol/ any §, elsewhere those beside the document's name."""
    text = path.read_text("utf-8")
    lines = text.splitlines() if path.parent.name == "protocol" else re.findall(r"docs/protocol\.md.*", text)
    return {number for line in lines for number in re.findall(r"§(\d+(?:\.\d+)*)", line)}


def rows(section: str) -> dict[int, str]:
    return {int(number): text for number, text in re.findall(r"^\| (\d+) \|(.*)$", SECTIONS[section], re.MULTILINE)}


def test_every_section_that_code_cites_is_there() -> None:
    cited = {(str(path.relative_to(ROOT)), number) for path in sources() for number in cites(path)}

    assert len(cited) > 20
    assert [cite for cite in sorted(cited) if cite[1] not in SECTIONS] == []


def test_every_section_that_the_document_itself_cites_is_there() -> None:
    assert set(re.findall(r"§(\d+(?:\.\d+)*)", DOCUMENT)) <= set(SECTIONS)


@pytest.mark.parametrize("table", [name for name, table in CASES.items() if "cases" in table])
def test_every_row_of_a_table_has_cases_and_every_case_has_its_row(table: str) -> None:
    documented = rows(table.split(maxsplit=1)[0])
    cases: list[dict[str, Any]] = CASES[table]["cases"]

    assert {case["row"] for case in cases} == set(documented) == set(range(1, len(documented) + 1))
    for case in cases:
        outcome = case["answer"].get("outcome")
        assert outcome is None or f"`{outcome}`" in documented[case["row"]], case["why"]


@pytest.mark.parametrize("table", [name for name, table in CASES.items() if "cases" in table])
def test_cases_of_one_table_have_different_reasons(table: str) -> None:
    reasons = [case["why"] for case in CASES[table]["cases"]]

    assert len(reasons) == len(set(reasons))


def test_the_worked_example_of_a_partition_is_right() -> None:
    example = dict(re.findall(r"^    (id|crc32|mod 16|head) +(\S.*)$", SECTIONS["2.1"], re.MULTILINE))
    task = UUID(example["id"])

    assert str(partition_of(task, 16)) == example["mod 16"]
    assert TaskKeys.of(task, 16).head == example["head"]
    hexadecimal, decimal = example["crc32"].split(" = ")
    assert int(hexadecimal, 16) == int(decimal) == partition_of(task, 2**32)


def test_the_keys_are_named_as_documented() -> None:
    task = UUID("0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e")
    of = TaskKeys.of(task)

    for key in (of.head, of.log, of.events, of.live):
        assert f"`{key.replace('{10}', '{P}').replace(str(task), '<task>')}`" in SECTIONS["2.2"]


def test_the_reports_of_usage_are_as_documented() -> None:
    section = SECTIONS["10"]
    (example,) = re.findall(r"^    (\{.*\})$", section, re.MULTILINE)
    fields = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)

    assert f"| `{usage.KEY}` |" in SECTIONS["2.2"]
    assert fields == list(json.loads(example)) == [field.name for field in dataclasses.fields(Usage)]
    assert usage.decode(b"worker:worker-1", example.encode()) == Usage(**json.loads(example))
    assert f"more than {usage.SILENT_MS // 1000} s" in section
    assert f"expire in {usage.FORGOTTEN_MS // 60_000} min" in section


def test_every_field_of_the_head_is_documented() -> None:
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", SECTIONS["4"], re.MULTILINE))))

    assert documented == {*HEAD_FIELDS, "bytes"}


def test_the_defaults_are_those_of_the_document() -> None:
    limits = LogLimits()

    assert f"{limits.max_events:,} of them and {limits.max_bytes // 2**20} MiB" in SECTIONS["5.4"]
    assert f"default {limits.linger_ms // 3_600_000} h" in SECTIONS["2.2"]
    assert f"`partitions` is {PARTITIONS} unless configured" in SECTIONS["2.1"]
