"""Text folded for comparison, with the way back to the original.

Two texts are the same here when they differ only in case and in how accents are encoded: canonical caseless matching
(The Unicode Standard, D145), `NFD(casefold(NFD(text)))`. Folding changes lengths: "ß" becomes "ss", "İ" an "i" and a
dot above. So it is done character by character, a character being what a reader takes for one: a base with its
combining marks, or a Hangul syllable, composed or not. A match begins and ends where characters do. Therefore "e"
is not found in "é", in whichever of its two encodings, nor "s" in "ß", and "STRASSE" is found in "Straße".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MAX_MARKS: Final = 30
"""Marks that one character can have; more begin another. Bounds the sorting that normalization does, which takes
quadratic time. The number is that of the Stream-Safe Text Format (Unicode Standard Annex #15, §13)."""

_INSIDE: Final = -1

_FIRST_MARK: Final = "\u0300"
_JAMO_VOWELS_AND_FINALS: Final = ("\u1161", "\u11ff")


def fold(text: str) -> str:
    """`NFD(casefold(NFD(text)))`. For short texts: normalization takes quadratic time on a run of marks."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded slice of a text.

    `origins[i]` is where, in the text, the character begins whose folding begins at `i` in `key`, or negative inside
    of a character's folding. There is one more origin than `key` is long: the end of the slice.
    """

    key: str
    origins: Sequence[int]

    def find(self, key: str, before: int) -> Iterator[tuple[int, int]]:
        """Spans [start, end) of the text that fold to `key` and start before `before`, in order, overlapping or not."""
        at = self.key.find(key)
        while at >= 0:
            start, end = self.origins[at], self.origins[at + len(key)]
            if start >= before:
                return
            if start >= 0 and end >= 0:
                yield start, end
            at = self.key.find(key, at + 1)

    def boundary_from(self, position: int) -> int:
        """Where the first character begins that does so at `position` or later, or the end of the slice."""
        if isinstance(self.origins, range):
            return min(max(position, self.origins.start), self.origins.stop - 1)
        return next((origin for origin in self.origins if origin >= position), self.origins[-1])


def fold_slice(text: str, start: int, stop: int) -> Folded:
    """Fold the characters of text[start:stop]. `start` must be where a character begins.

    What `stop` might cut in two is left out, so the slice can end up to MAX_MARKS + 1 earlier than asked for.
    """
    stop = min(stop, len(text))
    part = text[start:stop]
    if part.isascii() and (stop == len(text) or text[stop] < _FIRST_MARK):
        return Folded(part.lower(), range(start, stop + 1))
    keys: list[str] = []
    origins: list[int] = []
    last = start
    for offset, character in _characters(part):
        if stop < len(text) and offset + len(character) == len(part):
            break
        key = fold(character) if len(character) > 1 else _fold_one(character)
        keys.append(key)
        origins.append(start + offset)
        origins += [_INSIDE] * (len(key) - 1)
        last = start + offset + len(character)
    origins.append(last)
    return Folded("".join(keys), origins)


def begins_with_mark(text: str) -> bool:
    """Whether the text begins with a combining mark, which belongs to a character before it."""
    return unicodedata.combining(_traits(text[0]).first) > 0


def _characters(part: str) -> Iterator[tuple[int, str]]:
    """The characters of `part`, each with its offset."""
    start = 0
    for offset in range(1, len(part)):
        if part[offset] < _FIRST_MARK or offset - start > MAX_MARKS or not _joins(part[start:offset], part[offset]):
            yield start, part[start:offset]
            start = offset
    if part:
        yield start, part[start:]


def _joins(before: str, point: str) -> bool:
    """Whether the code point belongs to the same character as `before`."""
    traits = _traits(point)
    if traits.marks or not traits.composes:
        return traits.marks
    # Few code points that are no marks can compose, and these only after some: a jamo, a vowel sign of some scripts.
    return unicodedata.normalize("NFC", before + point) != unicodedata.normalize("NFC", before) + point


@dataclass(frozen=True, slots=True)
class _Traits:
    first: str
    marks: bool
    composes: bool


@lru_cache(maxsize=4096)
def _traits(point: str) -> _Traits:
    """What decides whether the code point can join the one before it."""
    first = unicodedata.normalize("NFD", point)[0]
    vowel, final = _JAMO_VOWELS_AND_FINALS
    composes = unicodedata.category(first).startswith("M") or vowel <= first <= final
    return _Traits(first, unicodedata.combining(first) > 0, composes)


@lru_cache(maxsize=4096)
def _fold_one(point: str) -> str:
    return fold(point)
