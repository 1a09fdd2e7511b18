import unicodedata
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from workloads import document_analysis as module
from workloads.document_analysis import MAX_MATCHES, MAX_TEXT_BYTES, STRETCH, DocumentAnalysis, document_analysis
from workloads.updates import Chunk, Pause, Progress, Update


def finish(params: DocumentAnalysis) -> tuple[list[Update], Any]:
    updates: list[Update] = []
    run = document_analysis.run(params)
    while True:
        try:
            updates.append(next(run))
        except StopIteration as end:
            return updates, end.value


def search(text: str, *keywords: str, pace_ms: tuple[int, int] = (0, 0), seed: int = 0) -> DocumentAnalysis:
    return DocumentAnalysis.model_validate(
        {"source": {"kind": "text", "text": text}, "keywords": list(keywords), "pace_ms": pace_ms, "seed": seed}
    )


def chunks_of(updates: list[Update]) -> list[Any]:
    return [update.data for update in updates if isinstance(update, Chunk)]


def matches(text: str, *keywords: str) -> list[Any]:
    return chunks_of(finish(search(text, *keywords))[0])


def errors(**params: object) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        DocumentAnalysis.model_validate(params)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def test_a_chunk_tells_the_match_and_where_it_stands() -> None:
    assert matches("one\nThe LAMP was lit.", "lamp") == [
        {"term": "lamp", "match": "LAMP", "snippet": "one The LAMP was lit.", "at": [8, 12], "line": 2, "offset": 8}
    ]


def test_matches_come_in_the_order_of_offset_and_then_of_the_keywords() -> None:
    found = matches("abcab", "b", "ab", "abc")
    assert [(match["offset"], match["term"]) for match in found] == [
        (0, "ab"), (0, "abc"), (1, "b"), (3, "ab"), (4, "b"),
    ]  # fmt: skip


def test_overlapping_matches_count() -> None:
    assert finish(search("aaa", "aa"))[1] == {
        "total": 2,
        "counts": {"aa": 2},
        "characters": 3,
        "lines": 1,
        "truncated": False,
    }


def test_a_term_that_is_not_there_counts_zero_in_the_order_of_the_keywords() -> None:
    counts = finish(search("abc", "zebra", "b", "ant"))[1]["counts"]
    assert list(counts.items()) == [("zebra", 0), ("b", 1), ("ant", 0)]


def test_the_term_is_given_back_as_it_was_written_and_the_match_as_it_stands() -> None:
    (match,) = matches("In der Straße.", "STRASSE")
    assert (match["term"], match["match"], match["offset"]) == ("STRASSE", "Straße", 7)
    assert match["snippet"][slice(*match["at"])] == "Straße"


def test_offsets_are_those_of_a_decomposed_text_as_given() -> None:
    text = unicodedata.normalize("NFD", "Crème brûlée, crème fraîche")
    found = matches(text, "crème")
    assert [text[match["offset"] :].startswith(match["match"]) for match in found] == [True, True]
    assert [match["offset"] for match in found] == [0, text.rindex("c", 0, text.index("fr"))]


def test_a_snippet_is_cut_at_white_space_on_both_sides() -> None:
    text = "alpha " * 20 + "lamp" + " omega" * 20
    (match,) = matches(text, "lamp")
    assert match["snippet"] == "alpha alpha alpha alpha alpha alpha lamp omega omega omega omega omega omega"
    assert match["snippet"][slice(*match["at"])] == "lamp"


def test_a_snippet_without_white_space_is_cut_where_it_must() -> None:
    (match,) = matches("x" * 100 + "lamp" + "y" * 100, "lamp")
    assert match["snippet"] == "x" * 40 + "lamp" + "y" * 40
    assert match["at"] == [40, 44]


def test_line_breaks_are_spaces_in_the_snippet_but_not_in_the_match() -> None:
    (match,) = matches("one\r\n\r\n  two three\nfour", "two three\nfo")
    assert match["snippet"] == "one two three four"
    assert match["match"] == "two three\nfo"
    assert match["snippet"][slice(*match["at"])] == "two three fo"


@pytest.mark.parametrize(
    ("text", "line", "lines"),
    [("x", 1, 1), ("\nx", 2, 2), ("\r\nx\r\n", 2, 2), ("\rx\r", 2, 2), ("a\r\n\n\rx", 4, 4), ("x\n\n", 1, 2)],
)
def test_lines_are_counted_whatever_ends_them(text: str, line: int, lines: int) -> None:
    assert [match["line"] for match in matches(text, "x")] == [line]
    assert finish(search(text, "x"))[1]["lines"] == lines


def test_a_match_across_two_stretches_is_found_once() -> None:
    text = "." * (STRETCH - 2) + "lamp" + "." * STRETCH
    assert [match["offset"] for match in matches(text, "lamp", "p")] == [STRETCH - 2, STRETCH + 1]


def test_progress_goes_on_through_a_stretch_without_a_match() -> None:
    updates, _ = finish(search("." * (3 * STRETCH + 500), "lamp"))
    assert updates == [
        Progress(scanned, 3500, metrics={"matches": 0}) for scanned in (STRETCH, 2 * STRETCH, 3 * STRETCH, 3500)
    ]


def test_progress_never_goes_back_and_ends_at_the_end() -> None:
    updates, _ = finish(search("lamplamp " * 500, "lamp", "amplam"))
    reported = [update.current for update in updates if isinstance(update, Progress)]
    assert reported == sorted(reported)
    assert reported[-1] == 4500


def test_the_first_match_is_found_before_the_rest_is_read() -> None:
    first = next(document_analysis.run(search("lamp" + "." * 900_000, "lamp")))
    assert isinstance(first, Chunk)


def test_a_pause_comes_before_a_match_and_twice_one_for_a_stretch_without() -> None:
    updates, _ = finish(search("lamp" + "." * (2 * STRETCH), "lamp", pace_ms=(100, 500), seed=3))
    drawn = Random(3)
    first, second, third = (drawn.uniform(100, 500) / 1000 for _ in range(3))
    assert [type(update) for update in updates] == [Pause, Chunk, Progress, Progress, Pause, Progress, Pause, Progress]
    paused = [update.seconds for update in updates if isinstance(update, Pause)]
    assert paused == pytest.approx([first, 2 * second, 2 * third])


def test_the_same_parameters_give_the_same_updates() -> None:
    assert finish(DocumentAnalysis()) == finish(DocumentAnalysis())


def test_the_sample_has_dense_passages_and_long_ones_without_a_match() -> None:
    updates, result = finish(DocumentAnalysis())
    offsets = [match["offset"] for match in chunks_of(updates)]
    gaps = [after - before for before, after in pairwise(offsets)]
    assert 30_000 <= result["characters"] <= 60_000
    assert min(result["counts"].values()) >= 10
    assert sum(gap > 3_000 for gap in gaps) >= 4
    assert sum(gap < 100 for gap in gaps) >= 50


def test_matches_are_limited_and_the_result_says_that_it_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MATCHES", 3)
    updates, result = finish(search("a" * 5, "a"))
    assert sum(isinstance(update, Chunk) for update in updates) == 3
    assert result == {"total": 3, "counts": {"a": 3}, "characters": 5, "lines": 1, "truncated": True}
    assert updates[-1] == Progress(2, 5, metrics={"matches": 3})


def test_as_many_matches_as_the_limit_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MATCHES", 3)
    assert finish(search("aaa" + "." * STRETCH, "a"))[1]["truncated"] is False


def test_a_hostile_text_ends_at_the_limit() -> None:
    run = document_analysis.run(search("a" * MAX_TEXT_BYTES, *("a" * length for length in range(1, 51))))
    chunks = sum(isinstance(update, Chunk) for update in run)
    assert chunks == MAX_MATCHES


@pytest.mark.parametrize(
    ("text", "loc", "part"),
    [
        ("", ("source", "text", "text"), "at least 1 character"),
        ("é" * 500_001, ("source", "text", "text"), "1000002 bytes"),
        ("x" * 1_000_001, ("source", "text", "text"), "at most 1000000 characters"),
        ("half \ud800", ("source", "text", "text"), "unicode"),
        (5, ("source", "text", "text"), "valid string"),
    ],
)
def test_a_text_out_of_bounds_names_its_field(text: object, loc: tuple[str, ...], part: str) -> None:
    ((found, message),) = errors(source={"kind": "text", "text": text})
    assert found == loc
    assert part in message


def test_the_largest_text_is_accepted() -> None:
    assert search("é" * 500_000, "x").source.read() == "é" * 500_000


@pytest.mark.parametrize("source", [{"kind": "url"}, {}, "sample", None, {"kind": "sample", "text": "x"}])
def test_another_source_is_refused(source: object) -> None:
    assert [loc[0] for loc, _ in errors(source=source)] == ["source"]


@pytest.mark.parametrize(
    ("keywords", "loc", "part"),
    [
        ([], ("keywords",), "at least 1 item"),
        ([chr(0x4E00 + i) for i in range(51)], ("keywords",), "at most 50 items"),
        (["lamp", " \n"], ("keywords", 1), "at least 1 character"),
        (["x" * 101], ("keywords", 0), "at most 100 characters"),
        (["\u0301" * 500_000], ("keywords", 0), "at most 100 characters"),
        (["\u0301a"], ("keywords", 0), "combining mark"),
        (["\ud800"], ("keywords", 0), "unicode"),
        ([5], ("keywords", 0), "valid string"),
        ("lamp", ("keywords",), "valid list"),
        (["lamp", "lamp"], ("keywords",), "'lamp' is there twice"),
        (["Straße", "x", "STRASSE"], ("keywords",), "'STRASSE' is there twice"),
        (["caf\u00e9", "CAFE\u0301"], ("keywords",), "is there twice"),
    ],
)
def test_keywords_out_of_bounds_name_their_field(keywords: object, loc: tuple[str, ...], part: str) -> None:
    ((found, message),) = errors(keywords=keywords)
    assert found == loc
    assert part in message


def test_keywords_are_composed_and_stripped() -> None:
    assert search("x", "  cafe\u0301\n", "x" * 100).keywords == ["caf\u00e9", "x" * 100]


def test_what_was_accepted_is_accepted_again_after_a_trip_through_json() -> None:
    params = search("Straße", "s", pace_ms=(1, 2))
    assert DocumentAnalysis.model_validate_json(params.model_dump_json()) == params


def test_the_text_is_left_out_of_the_representation() -> None:
    assert "secret" not in repr(search("secret", "x"))
