"""The repository that code is of: its commit, and whether it was changed since.

git is asked, without a shell, and writes nothing. It gets `SECONDS` for its answer; where it has none by then, fails,
or is not there, there is nothing to tell.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from runfolio.records import Repository
from runfolio.values import plain_text

SECONDS = 0.5
"""So long git may take to tell whether the tree is clean, and half as long for the commit if that was too short."""

KEPT = 20
"""An answer is kept for so many times as long as it took: however many runs begin, asking takes little of the time."""

_STATUS = ("-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch", "--untracked-files=no")
_HEAD = ("rev-parse", "HEAD", "--abbrev-ref", "HEAD")
_NO_BRANCH = ("(detached)", "HEAD")
_UNBORN = "(initial)"
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
"""Variables by which a git hook would be told of another repository than that of the folder."""

_answers: dict[str, tuple[float, Repository | None]] = {}


def repository_of(*folders: str | os.PathLike[str]) -> Repository | None:
    """The repository of the first of these folders that is in one; None if there is none, or git can't tell.

    The tree is dirty if a file that git knows differs from the commit; files that git does not know don't count.
    """
    top = next(filter(None, map(_top_of, folders)), None)
    if top is None:
        return None
    now = time.monotonic()
    until, found = _answers.get(top, (now, None))
    if now >= until:
        found = _asked(top)
        answered = time.monotonic()
        _answers[top] = answered + KEPT * (answered - now), found
    return found


def _top_of(folder: str | os.PathLike[str]) -> str | None:
    """The folder of the work tree that a folder is in."""
    with suppress(OSError, ValueError):
        top, above = "", os.path.realpath(folder)
        while top != above:
            top, above = above, os.path.dirname(above)  # noqa: PTH120  (a Path takes ten times as long)
            if os.path.lexists(f"{top}/.git"):
                return top
    return None


def _asked(top: str) -> Repository | None:
    told, is_late = _git(top, _STATUS, SECONDS)
    if told is not None:
        return _of_status(told)
    if not is_late:
        return None
    told, _ = _git(top, _HEAD, SECONDS / 2)
    commit, branch, *_ = [*("" if told is None else told).split("\n"), "", ""]
    return Repository(commit=commit, branch=_branch(branch), dirty=None) if commit else None


def _of_status(told: str) -> Repository | None:
    lines = told.split("\n")
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    commit = heads.get("branch.oid", _UNBORN)
    if commit == _UNBORN:
        return None
    dirty = any(line and not line.startswith("#") for line in lines)
    return Repository(commit=commit, branch=_branch(heads.get("branch.head", "HEAD")), dirty=dirty)


def _branch(name: str) -> str | None:
    return None if name in _NO_BRANCH or not name else name


def _git(top: str, words: tuple[str, ...], seconds: float) -> tuple[str | None, bool]:
    """What git says, None if it fails; and whether it took too long."""
    import subprocess  # noqa: PLC0415  (it takes 3 ms, and not all code is in a repository)

    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        done = subprocess.run(  # noqa: S603  (the words are ours)
            ["git", "-C", top, *words],  # noqa: S607  (git is where the user has it)
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            timeout=seconds,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return None, True
    except (OSError, ValueError, subprocess.SubprocessError):
        return None, False
    return plain_text(done.stdout.decode(errors="surrogateescape")), False
