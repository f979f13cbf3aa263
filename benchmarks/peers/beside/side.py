"""A tracker in its environment: starts its processes, gives what they say, and ends them with all that they started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beside import trackers
from beside.environments import Environment

SETTLE = 1.0


class Failed(Exception):
    """A process of a tracker ended without an answer."""


@dataclass(frozen=True)
class Side:
    """A tracker in its environment, and where its folders go."""

    name: str
    environment: Environment
    place: Path

    @property
    def module(self) -> Any:
        """What it can do."""
        return trackers.tracker(self.name)

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder, removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self.place, prefix=f"{self.name}-", ignore_cleanup_errors=True) as folder:
            path = Path(folder).resolve() / "runs"
            path.mkdir()
            yield path

    @contextlib.contextmanager
    def process(self, action: str, folder: Path, **arguments: Any) -> Iterator[subprocess.Popen[str]]:
        """A process of it; at the end it is ended with all that it started."""
        command = [str(self.environment.python), "-m", "beside.worker", action, self.name, str(folder)]
        told = folder.parent / f"{action}.stderr"
        with told.open("w") as errors:
            process = subprocess.Popen(
                [*command, json.dumps(arguments)],
                **{"cwd": folder.parent, "env": self.environment.variables(folder.parent), "text": True},
                **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors},
                start_new_session=True,
            )
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
                process.stdout.close()
                process.wait()

    def answer(self, action: str, folder: Path, *, patience: float = 240.0, **arguments: Any) -> Any:
        """What a process of it says last; nothing if it logged, and killed itself."""
        with self.process(action, folder, **arguments) as process:
            try:
                found, _ = process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                raise Failed(f"not within {patience:g} s") from None
            if process.returncode == -signal.SIGKILL and action != "log":
                raise Failed("it was killed: memory ran out")
            if process.returncode == -signal.SIGKILL:
                time.sleep(SETTLE)  # what it started itself is left the time to write what it was given
                return None
        lines = found.splitlines()
        if process.returncode or not lines:
            raise failure(folder, action)
        return json.loads(lines[-1])


def failure(folder: Path, action: str) -> Failed:
    """What the process of an action said last, as an error."""
    told = (folder.parent / f"{action}.stderr").read_text(errors="replace").strip().splitlines()
    return Failed((told or ["no answer"])[-1][:200].replace(str(folder.parent), "…"))
