"""Work in forked children: what kills a child, or hangs in it, is told with the number that it was at.

A fuzzer's children are those of a fresh interpreter: a library that had threads before a fork may hang in a child.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 10.0
"""No work may take longer than this: the child is ended by SIGALRM."""

MEMORY = 512 * 1024 * 1024
"""A child may not grow by more than this; where it does, the work it was at is told."""


SHOWN = 3
"""So many failing inputs are told in full."""


class Death(NamedTuple):
    """A child died of this signal, or by itself (0)."""

    signal: int


def each(work: Callable[[int], Any], numbers: range) -> Iterator[tuple[int, Any]]:
    """Each number with what the work gave for it, or the Death that it died; a child does many, one after another."""
    while numbers:
        done = 0
        reading, writing = os.pipe()
        child = _fork()
        if child == 0:
            os.close(reading)
            _work(work, numbers, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as results:
            for found in _loaded(results):
                yield numbers[done], found
                done += 1
        _, status = os.waitpid(child, 0)
        if done < len(numbers):
            yield numbers[done], Death(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
            done += 1
        numbers = numbers[done:]


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns where there are threads
        return os.fork()


def _loaded(results: Any) -> Iterator[Any]:
    while True:
        try:
            yield pickle.load(results)
        except (EOFError, pickle.UnpicklingError):
            return


def _work(work: Callable[[int], Any], numbers: range, writing: int) -> None:
    """Work the numbers off, and never return."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        gc.freeze()
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + MEMORY
        for number in numbers:
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            begun = time.monotonic()
            found = work(number)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            if grown > most:
                most = grown + MEMORY
                found = found or f"the process grew to {grown:,} bytes in {time.monotonic() - begun:.1f} s"
            os.write(writing, pickle.dumps(found))
        os._exit(0)
    finally:
        os._exit(1)


def problems_of(fuzzer: str, root: Path, numbers: range) -> dict[int, str]:
    """The problems that the Fuzzer of a module here finds with inputs of these numbers; some with the input itself."""
    code = "import sys; from durability.forked import main; main(*sys.argv[1:])"
    command = [sys.executable, "-c", code, fuzzer, str(root), str(numbers.start), str(numbers.stop)]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return {int(number): problem for number, problem in found.items()}


def main(fuzzer: str, root: str, start: str, stop: str) -> None:
    """The same, in the fresh interpreter."""
    fuzzing = importlib.import_module(f"durability.{fuzzer}").Fuzzer(Path(root))
    found: dict[int, str] = {}
    for number, problem in each(fuzzing.problem, range(int(start), int(stop))):
        if problem is not None:
            found[number] = f"{problem}: {fuzzing.made(number)}" if len(found) < SHOWN else str(problem)
    json.dump(found, sys.stdout)
