"""Work in forked children: what kills a child, or hangs in it, is told with the number that it was at."""

from __future__ import annotations

import gc
import os
import pickle
import resource
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

SECONDS = 10.0
"""No work may take longer than this: the child is ended by SIGALRM."""

MEMORY = 512 * 1024 * 1024
"""A child may not grow by more than this; where it does, the work it was at is told."""


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
