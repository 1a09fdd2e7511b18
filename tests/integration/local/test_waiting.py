from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from local.settings import ROOT
from local.waiting import wait_until

HEED = "import os, signal, subprocess; from local.waiting import *; heed_stop_signals()\n"
WAIT = """
try:
    print("waited", wait_until(lambda: False, timeout_s=10))
except StopRequested as stop:
    print("stopped by", stop)
"""
TERMINATE_SELF = "os.kill(os.getpid(), signal.SIGTERM)\n"


def run(script: str) -> str:
    """In a process of its own, for signal handlers belong to the whole process; what it printed."""
    ended = subprocess.run(
        [sys.executable, "-c", HEED + script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stderr == ""
    return ended.stdout


def test_a_condition_that_comes_true_ends_the_wait() -> None:
    answers = iter([False, False, True])
    assert wait_until(lambda: next(answers), timeout_s=10, poll_s=0)


def test_a_condition_that_never_does_is_tried_at_the_start_and_at_the_end() -> None:
    answers = [False, False, True]
    assert not wait_until(lambda: answers.pop(0), timeout_s=0.05, poll_s=10)
    assert answers == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_the_wait_that_goes_on(number: signal.Signals) -> None:
    handler = f"signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), {int(number)}))\n"
    alarm = "signal.setitimer(signal.ITIMER_REAL, 0.2)\n"
    assert run(handler + alarm + WAIT) == f"stopped by {number.name}\n"


def test_a_stop_signal_between_two_waits_ends_the_next_one() -> None:
    assert run(TERMINATE_SELF + WAIT) == "stopped by SIGTERM\n"


def test_a_stop_signal_in_a_hook_that_swallows_exceptions_is_not_lost() -> None:
    hook = "os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))\n"
    fork = "subprocess.run(['true'], preexec_fn=lambda: None)\n"
    assert run(hook + fork + WAIT) == "stopped by SIGTERM\n"


def test_once_stopped_it_is_not_stopped_again_while_it_cleans_up() -> None:
    assert run(TERMINATE_SELF + WAIT + TERMINATE_SELF + WAIT.replace("10", "0.1")) == (
        "stopped by SIGTERM\nwaited False\n"
    )
