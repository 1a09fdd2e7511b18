"""The scan against an oracle that tries every span of the text."""

import unicodedata
from collections.abc import Callable
from itertools import combinations
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from workloads.document_analysis import STRETCH, DocumentAnalysis, document_analysis, scan
from workloads.folding import MAX_MARKS, fold
from workloads.updates import Chunk, Progress

unhurried = settings(deadline=None)  # a busy machine is no failure

LETTERS = "aAbß sSéÉe\u0301\u0316İiıΣσςﬁfI\n\u0345αΑ"  # noqa: RUF001 — letters that look alike are meant
"""Folds of one, two and three code points, both encodings of accents, a final sigma, marks in two classes."""


def to_nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def to_nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


texts = st.text(LETTERS, min_size=1, max_size=40)
SPELLINGS: list[Callable[[str], str]] = [str, str.upper, str.lower, str.casefold, to_nfc, to_nfd]


@st.composite
def texts_and_keywords(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text, and parts of it in another spelling, so that there is something to find."""
    text = draw(texts)
    keywords = []
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text) - 1))
        keywords.append(draw(st.sampled_from(SPELLINGS))(text[start : start + draw(st.integers(1, 5))]))
    return text, keywords


def is_mark(point: str) -> bool:
    return unicodedata.combining(to_nfd(point)[0]) > 0


def canonical_caseless(text: str) -> str:
    return to_nfd(to_nfd(text).casefold())


def oracle(text: str, keywords: list[str]) -> list[tuple[int, int, int]]:
    """Every (start, keyword, end) of which both ends are ends of characters and that is the keyword but for case."""
    ends = [at for at in range(len(text) + 1) if at in {0, len(text)} or not is_mark(text[at])]
    keys = [canonical_caseless(keyword) for keyword in keywords]
    return sorted(
        (start, index, end)
        for start, end in combinations(ends, 2)
        for index, key in enumerate(keys)
        if canonical_caseless(text[start:end]) == key
    )


def found(text: str, keywords: list[str]) -> list[tuple[int, int, int]]:
    keys = [fold(keyword) for keyword in keywords]
    return [(start, index, end) for matches, _ in scan(text, keys) for start, index, end in matches]


@unhurried
@given(texts_and_keywords())
@example(("aaa", ["aa"]))
@example(("Straße", ["STRASSE", "s", "ss"]))
@example(("e\u0301e", ["e"]))
def test_the_scan_finds_what_trying_every_span_finds(drawn: tuple[str, list[str]]) -> None:
    text, keywords = drawn
    assert found(text, keywords) == oracle(text, keywords)


@unhurried
@given(st.integers(0, 50), texts_and_keywords())
def test_where_a_stretch_ends_changes_nothing(before: int, drawn: tuple[str, list[str]]) -> None:
    """The text is laid across the end of the first stretch at any offset; the filler is a letter of no keyword."""
    text, keywords = drawn
    assume(not is_mark(text[0]))  # it would join the filler
    shift = STRETCH - before
    shifted = [(start + shift, index, end + shift) for start, index, end in oracle(text, keywords)]
    assert found("x" * shift + text + "x" * STRETCH, keywords) == shifted


@unhurried
@given(st.integers(0, 3 * MAX_MARKS), st.integers(STRETCH - 2 * MAX_MARKS, STRETCH + MAX_MARKS))
def test_a_character_of_many_marks_moves_the_end_of_a_stretch_but_hides_nothing(marks: int, at: int) -> None:
    text = "x" * at + "e" + "\u0301" * marks + "lamp" + "x" * STRETCH
    assert [start for start, _, _ in found(text, ["lamp"])] == [at + 1 + marks]


@unhurried
@given(texts_and_keywords())
def test_a_chunk_points_back_into_the_text(drawn: tuple[str, list[str]]) -> None:
    text, keywords = drawn
    distinct = {fold(to_nfc(term).strip()): term for term in keywords if term.strip() and not is_mark(term.strip()[0])}
    assume(distinct)
    source = {"kind": "text", "text": text}
    params = DocumentAnalysis.model_validate({"source": source, "keywords": list(distinct.values()), "pace_ms": [0, 0]})
    updates = list(document_analysis.run(params))
    reported = [update.current for update in updates if isinstance(update, Progress)]
    assert reported == sorted(reported)
    assert reported[-1] == len(text)
    for chunk in [update.data for update in updates if isinstance(update, Chunk)]:
        assert_points_back(text, chunk)


def assert_points_back(text: str, chunk: Any) -> None:
    offset, match, (start, end) = chunk["offset"], chunk["match"], chunk["at"]
    assert text[offset : offset + len(match)] == match
    assert canonical_caseless(match) == canonical_caseless(chunk["term"])
    assert chunk["line"] == text.count("\n", 0, offset) + 1
    assert chunk["snippet"][start:end].split() == match.split()
    assert "\n" not in chunk["snippet"]
    assert len(chunk["snippet"]) <= len(match) + 80
