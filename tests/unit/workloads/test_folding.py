import sys
import unicodedata
from itertools import pairwise

import pytest

from workloads.folding import MAX_MARKS, begins_with_mark, fold, fold_slice


def spans(text: str, key: str) -> list[str]:
    """The parts of the text that match the key."""
    folded = fold_slice(text, 0, len(text))
    return [text[start:end] for start, end in folded.find(fold(key), len(text))]


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("Straße", "STRASSE", ["Straße"]),
        ("STRASSE", "straße", ["STRASSE"]),
        ("Straße", "s", ["S"]),
        ("Straße", "as", []),
        ("Straße", "ss", ["ß"]),
        ("ΣΊΣΥΦΟΣ σίσυφος", "σίσυφοσ", ["ΣΊΣΥΦΟΣ", "σίσυφος"]),
        ("İstanbul", "i̇stanbul", ["İstanbul"]),
        ("İstanbul", "i", []),
        ("İstanbul", "stan", ["stan"]),
        ("ﬁnd", "fi", ["ﬁ"]),
        ("ﬁnd", "FIND", ["ﬁnd"]),
        ("ﬁnd", "f", []),
        ("ᾳ", "\u03b1\u03b9", ["ᾳ"]),
        ("K", "k", ["K"]),
    ],
)
def test_case_is_folded_in_full_and_matches_are_whole_characters(text: str, key: str, found: list[str]) -> None:
    assert spans(text, key) == found


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("Café CAFÉ", "café", 2),
        ("Café", "e", 0),
        ("Café", "caf", 1),
        ("각가", "가", 1),
        ("각가", "각", 1),
        ("ệ ế", "ệ", 1),
    ],
)
def test_it_does_not_matter_how_the_text_encodes_its_accents(form: str, text: str, key: str, found: int) -> None:
    encoded = unicodedata.normalize(form, text)  # type: ignore[arg-type]
    assert len(spans(encoded, key)) == found
    assert all(fold(span) == fold(key) for span in spans(encoded, key))


def test_marks_in_another_order_are_the_same_character() -> None:
    dot_below_then_circumflex, circumflex_then_dot_below = "e\u0323\u0302", "e\u0302\u0323"
    assert spans(circumflex_then_dot_below, dot_below_then_circumflex) == [circumflex_then_dot_below]


def test_a_vowel_sign_that_composes_with_its_consonant_only_joins_that_one() -> None:
    assert spans("\u09c7\u09be", "\u09c7") == []  # these two compose to U+09CB
    assert spans("\u0995\u09be", "\u0995") == ["\u0995"]  # these two do not


def test_no_composition_of_the_installed_unicode_is_cut_in_two() -> None:
    for point in map(chr, range(sys.maxunicode + 1)):
        decomposed = unicodedata.normalize("NFD", point)
        if len(decomposed) > 1 and unicodedata.normalize("NFC", decomposed) == point:
            assert spans(decomposed, point) == [decomposed], f"U+{ord(point):04X}"


def test_overlapping_matches_are_all_found() -> None:
    assert list(fold_slice("aaa", 0, 3).find("aa", 3)) == [(0, 2), (1, 3)]


def test_matches_that_start_beyond_the_limit_are_left_to_the_next_slice() -> None:
    assert list(fold_slice("aaaa", 0, 4).find("aa", 2)) == [(0, 2), (1, 3)]
    assert list(fold_slice("éééé", 0, 4).find(fold("éé"), 2)) == [(0, 2), (1, 3)]


def test_positions_are_those_of_the_text_not_of_the_slice() -> None:
    assert list(fold_slice("xx" + "ab", 2, 4).find("b", 4)) == [(3, 4)]
    assert list(fold_slice("ßß" + "éb", 2, 4).find("b", 4)) == [(3, 4)]


def test_a_character_that_the_end_may_cut_in_two_is_left_out() -> None:
    assert fold_slice("abe\u0301", 0, 3).origins[-1] == 2
    assert fold_slice("abc", 0, 2).origins[-1] == 2
    assert fold_slice("ab\u0301c", 0, 3).origins[-1] == 1


def test_the_next_slice_starts_at_a_character() -> None:
    assert fold_slice("abcd", 0, 4).boundary_from(2) == 2
    assert fold_slice("abcd", 0, 4).boundary_from(9) == 4
    assert fold_slice("ae\u0301\u0301d", 0, 5).boundary_from(2) == 4


def test_a_long_run_of_marks_is_cut_so_that_normalizing_it_takes_no_time() -> None:
    text = "a" + "\u0301\u0316" * 250_000
    folded = fold_slice(text, 0, len(text))
    starts = [origin for origin in folded.origins if origin >= 0]
    assert max(end - start for start, end in pairwise(starts)) == MAX_MARKS + 1
    assert folded.origins[-1] == len(text)


def test_what_begins_with_a_mark_is_told() -> None:
    assert begins_with_mark("\u0301a")
    assert not begins_with_mark("a\u0301")
