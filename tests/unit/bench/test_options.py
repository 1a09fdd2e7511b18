"""The options of `python -m bench`: what makes no sense is refused before anything is asked of a service."""

from __future__ import annotations

import pytest

from bench.__main__ import parsed


def test_the_defaults_are_taken() -> None:
    options = parsed(["compare"])
    assert (tuple(options.pace), options.clients, options.interval, options.idle) == ((100, 500), 5, 150, 10.0)
    assert 0 <= options.seed < 2**32
    assert parsed(["latency"]).seconds == parsed(["followers"]).seconds == 10


@pytest.mark.parametrize(
    "line",
    [
        "compare --pace 100 100 --idle 0 --clients 10000 --interval 3600000 --digits 10000 --seed 4294967295",
        "latency --size 65536 --burst 1000000 --rate 0.1 --seconds 3600",
        "followers --followers 10000 --tasks 1 --processes 256",
    ],
)
def test_what_is_at_a_limit_is_taken(line: str) -> None:
    parsed(line.split())


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("compare --pace 500 100", "argument --pace: the least pause, 500 ms, is longer than the longest, 100 ms"),
        ("compare --pace 100 60001", "argument --pace: 60001 is not between 1 and 60,000"),
        ("compare --idle nan", "argument --idle: nan is not between 0 and 3,600"),
        ("compare --idle -1", "argument --idle: -1 is not between 0 and 3,600"),
        ("compare --idle inf", "argument --idle: inf is not between 0 and 3,600"),
        ("compare --clients 0", "argument --clients: 0 is not between 1 and 10,000"),
        ("compare --clients 10001", "argument --clients: 10001 is not between 1 and 10,000"),
        ("compare --clients many", "argument --clients: invalid"),
        ("compare --interval 3600001", "argument --interval: 3600001 is not between 1 and 3,600,000"),
        ("compare --digits 10001", "argument --digits: 10001 is not between 1 and 10,000"),
        ("compare --seed 4294967296", "argument --seed: 4294967296 is not between 0 and 4,294,967,295"),
        ("compare --repeat 1001", "argument --repeat: 1001 is not between 1 and 1,000"),
        ("latency --size 65537", "argument --size: 65537 is not between 0 and 65,536"),
        ("latency --burst 1000001", "argument --burst: 1000001 is not between 1 and 1,000,000"),
        ("latency --rate nan", "argument --rate: nan is not between 0 and 100,000"),
        ("latency --seconds 3601", "argument --seconds: 3601 is not between 1 and 3,600"),
        ("followers --followers 10001", "argument --followers: 10001 is not between 1 and 10,000"),
        ("followers --tasks 0", "argument --tasks: 0 is not between 1 and 10,000"),
        ("followers --processes 257", "argument --processes: 257 is not between 1 and 256"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    line: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        parsed(line.split())
    assert refused.value.code == 2
    assert sentence in capsys.readouterr().err
