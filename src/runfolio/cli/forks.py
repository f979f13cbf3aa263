"""Where experiment paths fork: what a tree of steps on a page is drawn by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from runfolio.records import Path


def forks(paths: Iterable[Path]) -> set[Path]:
    """The paths that several steps follow; the empty one if there are several first steps."""
    counts = Counter(path[:-1] for path in set(paths) if path)
    return {path for path, count in counts.items() if count > 1}


def indented(path: Path, at: set[Path]) -> str:
    """The last step of a path, indented for each fork on the way."""
    return f"{'  ' * len(turns(path, at))}{path[-1].module_name}[{path[-1].experiment_name}]"


def turns(path: Path, at: set[Path]) -> list[int]:
    """The places in a path, from 0, of the steps that follow a fork.

    Forks are looked through, not the beginnings of the path, which together are as long as its square.
    """
    return sorted(len(fork) for fork in at if len(fork) < len(path) and path[: len(fork)] == fork)
