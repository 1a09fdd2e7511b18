"""What a process says of itself, against what the operating system says of it."""

from __future__ import annotations

import os
import time

import psutil
import pytest

from service.usage import cpu_s, memory_bytes

SPIN_S = 0.05


def test_cpu_is_what_was_spent_in_this_process() -> None:
    before = cpu_s()
    until = time.process_time() + SPIN_S
    while time.process_time() < until:
        pass

    assert cpu_s() >= before + SPIN_S * 0.9
    assert cpu_s() == pytest.approx(sum(os.times()[:2]), abs=0.05)


def test_memory_is_what_is_resident_now() -> None:
    before = memory_bytes()
    held = bytearray(os.urandom(1)) * 2**25

    assert before + 0.9 * len(held) <= memory_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)

    del held
    assert memory_bytes() < before + 2**24
