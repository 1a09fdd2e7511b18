import sys
from fractions import Fraction
from itertools import islice
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from workloads.compute_pi import BLOCK, ComputePi, bounds, compute_pi, pi_digits
from workloads.updates import Chunk, Pause, Progress, Update


def finish(params: ComputePi) -> tuple[list[Update], Any]:
    updates: list[Update] = []
    run = compute_pi.run(params)
    while True:
        try:
            updates.append(next(run))
        except StopIteration as end:
            return updates, end.value


def unpaced(digits: int) -> ComputePi:
    return ComputePi(digits=digits, pace_ms=(0, 0))


def digits_by_machin(count: int) -> str:
    """Machin's formula, π = 16 arctan(1/5) - 4 arctan(1/239), in integers with ten guard digits."""
    one = 10 ** (count + 10)

    def arctan_of_inverse(x: int) -> int:
        total, power, divisor = 0, one // x, 1
        while power:
            total += power // divisor if divisor % 4 == 1 else -(power // divisor)
            power //= x * x
            divisor += 2
        return total

    scaled = 16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)
    return str(scaled // 10**11)


def test_the_first_thousand_digits_are_those_of_machins_formula() -> None:
    assert "".join(islice(pi_digits(), 1000)) == digits_by_machin(1000)


def test_the_published_digits_are_there() -> None:
    digits = "".join(islice(pi_digits(), 10_000))
    assert digits.startswith("314159265358979323846264338327950288419716939937510")
    assert digits[762:768] == "999999"  # the Feynman point, decimals 762 to 767
    assert digits[991:1001] == "2164201989"  # decimals 991 to 1,000
    assert digits[9_990:] == "5525637567"  # decimals 9,990 to 9,999


def test_ten_thousand_digits_agree_with_machins_formula() -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        expected = digits_by_machin(10_000)
    finally:
        sys.set_int_max_str_digits(limit)
    assert "".join(islice(pi_digits(), 10_000)) == expected


def test_each_term_maps_the_bounds_of_the_next_into_its_own() -> None:
    """What the spigot rests on: once both bounds give one digit, no later term can give another."""
    for i in range(1, 500):
        ratio = Fraction(i * (2 * i - 1), 3 * (3 * i + 1) * (3 * i + 2))
        low, high = (5 * i - 2 + ratio * Fraction(*bound) for bound in bounds(i + 1))
        assert Fraction(*bounds(i)[0]) <= low < high <= Fraction(*bounds(i)[1])


def test_a_chunk_is_a_digit_and_progress_follows_it() -> None:
    updates, result = finish(unpaced(3))
    assert updates == [
        Chunk("3"),
        Progress(1, 3, metrics={"digits": 1}),
        Chunk("1"),
        Progress(2, 3, metrics={"digits": 2}),
        Chunk("4"),
        Progress(3, 3, metrics={"digits": 3}),
    ]
    assert result == {"digits": 3, "pi": "3.14"}


def test_one_digit_has_no_point() -> None:
    assert finish(unpaced(1))[1] == {"digits": 1, "pi": "3"}


@pytest.mark.parametrize("digits", [BLOCK, BLOCK + 1, BLOCK + 2, 2 * BLOCK + 1])
def test_the_seams_between_blocks_lose_nothing(digits: int) -> None:
    updates, result = finish(unpaced(digits))
    chunks = "".join(str(update.data) for update in updates if isinstance(update, Chunk))
    assert chunks == digits_by_machin(digits)
    assert result == {"digits": digits, "pi": f"3.{chunks[1:]}"}


def test_a_pause_comes_before_each_digit_drawn_from_the_seed() -> None:
    updates, _ = finish(ComputePi(digits=4, pace_ms=(100, 500), seed=7))
    expected = Random(7)
    assert [type(update) for update in updates] == [Pause, Chunk, Progress] * 4
    assert [update.seconds for update in updates if isinstance(update, Pause)] == [
        expected.uniform(100, 500) / 1000 for _ in range(4)
    ]


def test_the_same_parameters_give_the_same_updates() -> None:
    assert finish(ComputePi(digits=50)) == finish(ComputePi(digits=50))


def test_the_default_is_the_demonstration() -> None:
    assert ComputePi().model_dump(mode="json") == {"digits": 100, "pace_ms": [100, 500], "seed": 0}


@pytest.mark.parametrize("digits", [0, -1, 10_001, "ten", "10", 3.5, 3.0, True, None, 10**30])
def test_digits_must_be_a_whole_number_in_range(digits: object) -> None:
    with pytest.raises(ValidationError) as caught:
        ComputePi.model_validate({"digits": digits})
    assert [error["loc"] for error in caught.value.errors()] == [("digits",)]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="digit\n"):
        ComputePi.model_validate({"digit": 5})


def test_a_reversed_pace_names_the_field() -> None:
    with pytest.raises(ValidationError, match="longer than the longest") as caught:
        ComputePi.model_validate({"pace_ms": [500, 100]})
    assert caught.value.errors()[0]["loc"] == ("pace_ms",)
