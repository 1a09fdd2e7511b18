"""Searches a text for keywords. Every match is a chunk, in the order of the text, as soon as it is found."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from workloads.folding import begins_with_mark, fold, fold_slice
from workloads.pace import LONGEST_ATTEMPT_S, Pace, PaceMs, Seed
from workloads.registry import workload
from workloads.updates import JSON, Chunk, Progress, Run

MAX_TEXT_BYTES: Final = 1_000_000
MAX_KEYWORD_CHARACTERS: Final = 100
MAX_MATCHES: Final = 200_000
"""Chunks that one task may emit; a text of one letter and fifty keywords would match fifty million times."""

STRETCH: Final = 1_000
"""Characters scanned from one report of progress to the next: half a millisecond of work, 50 with every keyword
matching everywhere."""

IDLE_PAUSES: Final = 2
"""A stretch without a match takes so many pauses as a match takes, for it to be seen that the scan goes on."""

CONTEXT_CHARACTERS: Final = 40

_LINE_BREAKS: Final = re.compile(r"[^\S\r\n]*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def _fits(text: str) -> str:
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        raise PydanticCustomError(
            "text_too_large",
            "The text has {size} bytes in UTF-8, more than the {limit} allowed",
            {"size": size, "limit": MAX_TEXT_BYTES},
        )
    return text


def _composed(term: object) -> object:
    """NFC without white space around; what is too long for it to matter is left for the limit to refuse."""
    if isinstance(term, str) and len(term) <= 10 * MAX_KEYWORD_CHARACTERS:
        return unicodedata.normalize("NFC", term).strip()
    return term


def _starts_a_character(term: str) -> str:
    if begins_with_mark(term):
        raise PydanticCustomError("combining_mark", "A keyword cannot begin with a combining mark")
    return term


def _distinct(terms: list[str]) -> list[str]:
    seen: dict[str, str] = {}
    for term in terms:
        key = fold(term)
        if key in seen:
            raise PydanticCustomError(
                "duplicate_keyword",
                "{term} is there twice: upper and lower case are the same here, and {known} comes before it",
                {"term": repr(term), "known": repr(seen[key])},
            )
        seen[key] = term
    return terms


Keyword = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=MAX_KEYWORD_CHARACTERS),
    AfterValidator(_starts_a_character),
    BeforeValidator(_composed),
]


class SampleSource(BaseModel):
    """The text that comes with the program: a chronicle of a chain of lighthouses."""

    model_config = ConfigDict(title="Sample text", frozen=True, extra="forbid")

    kind: Literal["sample"] = Field(title="Source")

    def read(self) -> str:
        """The text."""
        return (files("workloads") / "sample.txt").read_bytes().decode()


class TextSource(BaseModel):
    """A text of one's own."""

    model_config = ConfigDict(title="Inline text", frozen=True, extra="forbid")

    kind: Literal["text"] = Field(title="Source")
    text: Annotated[str, Field(strict=True), AfterValidator(_fits)] = Field(
        min_length=1,
        max_length=MAX_TEXT_BYTES,
        repr=False,
        title="Text",
        description="The text to search: at most 1,000,000 bytes in UTF-8.",
        examples=["The lamp was lit at dusk, and the keeper wrote down the hour."],
    )

    def read(self) -> str:
        """The text."""
        return self.text


class DocumentAnalysis(BaseModel):
    """Which text to search, what for, and how fast."""

    model_config = ConfigDict(title="Document analysis", frozen=True, extra="forbid")

    source: Annotated[SampleSource | TextSource, Field(discriminator="kind")] = Field(
        default=SampleSource(kind="sample"),
        title="Source",
        description="The text: the sample, or one given here.",
        examples=[{"kind": "sample"}, {"kind": "text", "text": "Fog at four. The lamp was lit early."}],
    )
    keywords: Annotated[list[Keyword], Field(min_length=1, max_length=50), AfterValidator(_distinct)] = Field(
        default=["lamp", "storm", "signal", "keeper", "logbook"],
        title="Keywords",
        description="What to look for: up to 50 terms, found in upper and lower case and inside of words. "
        "White space around a term does not count.",
        examples=[["lamp", "storm"], ["Straße"]],
    )
    pace_ms: PaceMs = (100, 500)
    seed: Seed = 0


class Match(NamedTuple):
    """The span [start, end) of the text that the keyword of this index matches."""

    start: int
    keyword: int
    end: int


@workload("document_analysis", params=DocumentAnalysis, time_limit_s=LONGEST_ATTEMPT_S)
def document_analysis(params: DocumentAnalysis) -> Run:
    """Finds keywords in a text, in upper and lower case, overlapping ones too.

    A chunk is a match: its `term`, the `match` as it stands in the text, a `snippet` around it with the span `at` which
    the match has there, the `line` from 1, and the `offset` in code points from 0. Matches are in the order of the
    text; of those at one place, in the order of the keywords. After MAX_MATCHES it stops, and the result says
    `truncated`. `characters` and `lines` of the result are those of the whole text.
    """
    text = params.source.read()
    pace = Pace(params.pace_ms, params.seed)
    lines = _LineCounter(text)
    counts = dict.fromkeys(params.keywords, 0)
    total = 0
    truncated = False
    for matches, scanned in scan(text, [fold(term) for term in params.keywords]):
        room = MAX_MATCHES - total
        for match in matches[:room]:
            total += 1
            counts[params.keywords[match.keyword]] += 1
            yield from pace.pause()
            yield Chunk(_chunk(text, match, params.keywords[match.keyword], lines.number_at(match.start)))
            yield Progress(match.start, len(text), metrics={"matches": total})
        truncated = len(matches) > room
        if truncated:
            break
        if not matches:
            yield from pace.pause(IDLE_PAUSES)
        yield Progress(scanned, len(text), metrics={"matches": total})
    return {
        "total": total,
        "counts": dict(counts),
        "characters": len(text),
        "lines": lines.count(),
        "truncated": truncated,
    }


def scan(text: str, keys: Sequence[str]) -> Iterator[tuple[list[Match], int]]:
    """The matches of the folded `keys`, stretch by stretch, and how far the text is scanned with each.

    A match belongs to the stretch that it starts in. Every code point folds to at least one, so that no match is longer
    than its key; one that starts at the last character of a stretch ends before what is read beyond it does.
    """
    beyond = max(map(len, keys))
    start = 0
    while start < len(text):
        folded = fold_slice(text, start, start + STRETCH + beyond)
        stop = folded.boundary_from(start + STRETCH)
        yield (
            sorted(Match(at, index, end) for index, key in enumerate(keys) for at, end in folded.find(key, stop)),
            stop,
        )
        start = stop


def _chunk(text: str, match: Match, term: str, line: int) -> JSON:
    start, _, end = match
    before = _one_line(text[_context_start(text, start) : start]).lstrip()
    found = _one_line(text[start:end])
    after = _one_line(text[end : _context_end(text, end)]).rstrip()
    return {
        "term": term,
        "match": text[start:end],
        "snippet": before + found + after,
        "at": [len(before), len(before) + len(found)],
        "line": line,
        "offset": start,
    }


def _one_line(text: str) -> str:
    return _LINE_BREAKS.sub(" ", text)


def _context_start(text: str, start: int) -> int:
    """Where the context before `start` begins: after white space, if there is any within reach."""
    far = start - CONTEXT_CHARACTERS
    if far <= 0:
        return 0
    return next((at for at in range(far, start) if text[at - 1].isspace()), far)


def _context_end(text: str, end: int) -> int:
    """Where the context after `end` stops: before white space, if there is any within reach."""
    far = end + CONTEXT_CHARACTERS
    if far >= len(text):
        return len(text)
    return next((at for at in range(far, end, -1) if text[at].isspace()), far)


class _LineCounter:
    """Numbers the lines of a text in one pass over it. A line ends with LF, CR LF or CR."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._has_returns = "\r" in text
        self._at = 0
        self._breaks = 0

    def number_at(self, position: int) -> int:
        """The line, from 1, of a position that is no earlier than the last one asked for."""
        text, at = self._text, self._at
        self._breaks += text.count("\n", at, position)
        if self._has_returns:
            # A break of two characters is one, and counts where it ends: the position never lies in its middle.
            self._breaks += text.count("\r", at, position) - text.count("\r\n", at, position)
        self._at = position
        return self._breaks + 1

    def count(self) -> int:
        """How many lines there are. A break at the very end begins no further line."""
        number = self.number_at(len(self._text))
        return number - 1 if self._text.endswith(("\n", "\r")) else number
