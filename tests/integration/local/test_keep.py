"""`python -m local.keep` with programs that cost nothing to start."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

import psutil
import pytest

from local.children import has_ended
from local.keep import Restarts
from local.settings import ROOT
from local.waiting import wait_until

_LIMIT_S: Final = 10.0
_ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="it needs death signals and adopted orphans")


@contextmanager
def keeper(script: str, *, ready: bool) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """One that keeps `sh -c script`, and its output."""
    with tempfile.NamedTemporaryFile() as file:
        command = [sys.executable, "-m", "local.keep", file.name if ready else f"{file.name}-not", "sh", "-c", script]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process, process.stdout
            finally:
                process.kill()


def program(output: IO[str]) -> psutil.Process:
    """What the keeper has just started."""
    line = output.readline()
    assert line.startswith("runs as pid "), line
    return psutil.Process(int(line.split()[-1]))


def program_and_word(output: IO[str]) -> tuple[psutil.Process, str]:
    """What it has just started, and what that said first; the two lines come in either order."""
    lines = sorted((output.readline(), output.readline()), key=lambda line: line.startswith("runs as pid "))
    return psutil.Process(int(lines[1].split()[-1])), lines[0].strip()


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("exit 0", 1), ("kill -9 $$", 137)])
def test_what_ends_before_the_system_is_ready_is_not_started_again(script: str, code: int) -> None:
    with keeper(f"sleep 0.1; {script}", ready=False) as (process, output):
        said = output.read()
        assert process.wait(_LIMIT_S) == code
    assert said.count("runs as pid") == 1
    assert said.endswith(" before the system was ready\n")


@_ON_LINUX
def test_what_is_killed_is_started_again_and_nothing_of_it_is_left() -> None:
    with keeper("sleep 600 & echo $!; wait", ready=True) as (process, output):
        first, sleeper = program_and_word(output)
        pool = psutil.Process(int(sleeper))
        first.kill()
        assert output.readline() == "was ended by SIGKILL: it is started again in 0.5 s\n"
        assert has_ended(pool)
        second, _ = program_and_word(output)
        assert second.pid != first.pid
        process.terminate()
        assert process.wait(_LIMIT_S) == 128 + signal.SIGTERM
        assert has_ended(second)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_goes_to_the_program_and_its_exit_code_comes_back(number: signal.Signals) -> None:
    script = f"trap 'exit 7' {number.name.removeprefix('SIG')}; echo set; while :; do sleep 0.05; done"
    with keeper(script, ready=True) as (process, output):
        _, word = program_and_word(output)
        assert word == "set"
        process.send_signal(number)
        assert process.wait(_LIMIT_S) == 7


def test_a_stop_signal_while_it_pauses_ends_it_at_once() -> None:
    with keeper("sleep 0.1; exit 4", ready=True) as (process, output):
        program(output)
        assert output.readline() == "ended with exit code 4: it is started again in 0.5 s\n"
        process.terminate()
        assert process.wait(_LIMIT_S) == 4
        assert output.read() == ""


@_ON_LINUX
def test_the_program_ends_with_its_keeper() -> None:
    with keeper("exec sleep 600", ready=True) as (process, output):
        kept = program(output)
        process.kill()
        assert wait_until(lambda: has_ended(kept), timeout_s=_LIMIT_S)


def test_the_pause_grows_and_shrinks_after_a_steady_run() -> None:
    restarts = Restarts()
    times = [float(100 * number) for number in range(6)]
    assert [restarts.pause_s(began=at - 1, ended=at) for at in times] == [0.5, 1, 2, 4, 5, 5]
    assert restarts.pause_s(began=600, ended=630) == 0.5
    assert restarts.pause_s(began=700, ended=701) == 1


def test_the_fifth_end_within_a_minute_is_the_last() -> None:
    restarts = Restarts()
    assert None not in [restarts.pause_s(began=at, ended=at + 1) for at in (0, 10, 20, 30, 61)]
    assert restarts.pause_s(began=61, ended=62) is None
