"""A process that runs what it is given."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from operator import truediv

import psutil
import pytest

from bench.apart import Apart
from bench.crowd import LiveCrowd, follow_live
from bench.errors import Refused, Spoiled


async def test_a_call_runs_in_another_process_and_returns_what_it_returned() -> None:
    with Apart() as apart:
        assert await apart.call(os.getpid) == apart.pid != os.getpid()
        assert await apart.call(sorted, [3, 1, 2], reverse=True) == [3, 2, 1]


async def test_what_a_call_raises_is_raised_here_and_the_process_goes_on() -> None:
    with Apart() as apart:
        with pytest.raises(ZeroDivisionError):
            await apart.call(truediv, 1, 0)
        assert await apart.call(abs, -1) == 1


async def test_clients_that_cannot_connect_say_so_here() -> None:
    with Apart() as apart, pytest.raises(Spoiled, match=r"^ws://127\.0\.0\.1:1/ws/tasks/x: "):
        await apart.call(follow_live, LiveCrowd(["http://127.0.0.1:1/ws/tasks/x"], 0.0, 10.0))


async def test_a_process_that_ends_is_noticed() -> None:
    with Apart() as apart:
        call = asyncio.create_task(apart.call(time.sleep, 60))
        os.kill(apart.pid, signal.SIGKILL)
        with pytest.raises(Spoiled):
            await call


async def test_the_process_ends_with_the_context_whatever_it_is_doing() -> None:
    with Apart() as apart:
        call = asyncio.create_task(apart.call(time.sleep, 60))
        assert not await asyncio.to_thread(call.done)
    assert not psutil.pid_exists(apart.pid)
    with pytest.raises(Spoiled):
        await call


def test_a_refusal_crosses_from_one_process_to_another() -> None:
    refused = Refused(429, "full: try again")
    made, arguments = refused.__reduce__()
    again = made(*arguments)
    assert (again.status, str(again)) == (429, "429: full: try again")


def test_the_process_ends_with_its_parent_even_when_that_is_killed_in_the_midst_of_a_call() -> None:
    program = """
import asyncio, time
from bench.apart import Apart

async def main():
    with Apart() as apart:
        call = asyncio.ensure_future(apart.call(time.sleep, 60))
        await asyncio.sleep(0)
        print(apart.pid, flush=True)
        await call

if __name__ == "__main__":
    asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        # The child has inherited the pipe: its end is the end of the child.
        assert parent.stdout.read() == ""
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(10)
    assert not psutil.pid_exists(pid)
