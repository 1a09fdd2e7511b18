"""The close codes have one list, and it is that of docs/protocol.md §8."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from api.live.errors import SessionEnded
from api.routes.close_codes import MEANINGS, reaction

ROOT: Final = Path(__file__).parents[3]
LISTS: Final = {ROOT / "api/routes/close_codes.py", ROOT / "api/live/errors.py"}
OUR_RANGE: Final = range(4000, 5000)
RANGE: Final = "\N{EN DASH}"
NOT_SENT: Final = {4501, 4503}
"""Of the table: nobody signs in here, but a client is ready for a service that stands before this one."""


def sources() -> Iterator[Path]:
    yield from (ROOT / "api/server.py", ROOT / "api/serve.py")
    for folder in ("api/routes", "api/live"):
        yield from (ROOT / folder).glob("*.py")


def numbers(nodes: Iterable[ast.AST]) -> set[int]:
    return {each.value for each in nodes if isinstance(each, ast.Constant) and type(each.value) is int}


def told(tree: ast.AST) -> Iterator[ast.AST]:
    """The arguments of what closes a connection, or tells with which code it would be."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in {"close", "fail", "_tell", "_Farewell"}:
                yield from (*node.args, *(keyword.value for keyword in node.keywords))


def documented() -> dict[str, str]:
    """The rows of the table: code or range, and what the client does."""
    table = (ROOT / "docs/protocol.md").read_text("utf-8").split("\n## 8.")[1]
    return dict(re.findall(rf"^\| ([\d{RANGE}]+) \| .* \| (.*) \|$", table, re.MULTILINE))


def test_a_code_is_written_in_the_list_and_nowhere_else() -> None:
    for path in set(sources()) - LISTS:
        tree = ast.parse(path.read_text("utf-8"))
        assert not numbers(ast.walk(tree)) & set(OUR_RANGE), path
        assert not numbers(told(tree)), path


def test_every_end_of_a_session_has_a_code_of_the_list() -> None:
    codes = {kind.close_code for kind in SessionEnded.__subclasses__()}

    assert len(codes) == 4
    assert codes <= MEANINGS.keys()


def test_the_list_is_that_of_the_document() -> None:
    table = {int(code) for code in documented() if code.isdigit()}

    assert {code for code in MEANINGS if code == 1000 or code in OUR_RANGE} == table - NOT_SENT
    assert table > NOT_SENT


@pytest.mark.parametrize(("codes", "expected"), documented().items())
def test_what_the_client_does_is_that_of_the_document(codes: str, expected: str) -> None:
    first, _, last = codes.partition(RANGE)

    assert {reaction(int(first)), reaction(int(last or first))} == {expected}


def test_after_any_other_end_a_client_reconnects() -> None:
    assert {reaction(code) for code in MEANINGS if 1000 < code < 4000} == {"reconnects with its cursor"}


def test_the_hub_has_a_sentence_for_each_of_our_codes() -> None:
    known = set(re.findall(r"\b4\d\d\d\b", (ROOT / "demo_client/site/js/lib/close-codes.js").read_text("utf-8")))

    assert {str(code) for code in MEANINGS if code in OUR_RANGE} <= known
