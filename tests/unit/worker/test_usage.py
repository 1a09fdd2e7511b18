"""What a worker has used, with real child processes in the place of its pool."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

import psutil
import pytest

from local.waiting import wait_until
from worker.usage import Meter

SPIN_S: Final = 0.2
_SPIN: Final = f"""
import sys, time
while time.process_time() < {SPIN_S}: pass
print("spun", flush=True)
sys.stdin.read()
"""
_TICKS_S: Final = 0.05
"""The counters of a process are cut to the tick, 10 ms, each."""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """It has used SPIN_S at least, and waits for the end of its input."""
    with subprocess.Popen([sys.executable, "-c", _SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"spun\n"
        yield process
        process.kill()


def own_cpu_s() -> float:
    """Of this process and the children that it has waited for, by another way."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def test_a_living_child_of_the_pool_is_counted_and_still_is_when_it_has_ended(child: subprocess.Popen[bytes]) -> None:
    pids = [child.pid]
    meter = Meter(lambda: pids)
    without = own_cpu_s()

    alive = meter.cpu_s()
    child.kill()
    assert wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, timeout_s=10)
    dead = meter.cpu_s()
    child.wait()
    waited_for = meter.cpu_s()
    pids.clear()
    out_of_the_pool = meter.cpu_s()

    assert alive >= without + SPIN_S - _TICKS_S
    assert alive <= dead <= waited_for <= out_of_the_pool
    assert out_of_the_pool == pytest.approx(own_cpu_s(), abs=2 * _TICKS_S)  # and it is not counted twice


def test_the_count_does_not_go_down_while_a_child_is_between_its_end_and_our_children_that_have_ended(
    child: subprocess.Popen[bytes],
) -> None:
    pids = [child.pid]
    meter = Meter(lambda: pids)
    before = meter.cpu_s()

    pids.clear()  # nobody tells of it, and nobody has waited for it

    assert meter.cpu_s() >= before


def test_a_pid_that_is_of_no_child_is_not_counted() -> None:
    meter = Meter(lambda: [1, os.getppid(), 2**22 + 1])

    assert meter.cpu_s() == pytest.approx(own_cpu_s(), abs=_TICKS_S)


def test_threads_are_counted() -> None:
    meter = Meter(list)
    before = meter.cpu_s()
    until = time.process_time() + SPIN_S
    while time.process_time() < until:
        pass

    assert meter.cpu_s() >= before + SPIN_S - _TICKS_S


def test_memory_is_that_of_all_living_processes(child: subprocess.Popen[bytes]) -> None:
    alone, both = Meter(list).memory_bytes(), Meter(lambda: [child.pid]).memory_bytes()

    assert alone > 2**20
    assert both > alone + 2**20
