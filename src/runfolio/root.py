"""A root: the folder that holds the runs, and how a person names one of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING

from runfolio import layout
from runfolio.errors import FormatError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

LATEST = "latest"

_EVENTS = layout.journal_name("event", layout.MAIN_WRITER)


def find(run: str | PathLike[str], root: str | PathLike[str] | None = None) -> Path:
    """The folder of a run named by path, id, unique prefix of an id, or `"latest"`; or the archive of one, by its path.

    Raises NotFoundError, which lists the candidates of a prefix that is not unique.
    """
    import pathlib  # noqa: PLC0415  (see layout.root_of)

    text = layout.path_text(run, "run")
    path = pathlib.Path(text)
    if os.sep in text or path.is_absolute() or text in (".", ".."):
        if os.path.isdir(text) or is_archive(text):  # noqa: PTH112  (which does not raise, whatever the text)
            return path
        raise NotFoundError(f"no run folder at {text}", remedy="`runfolio ls` lists the runs", file=text)
    base = layout.root_of(root)
    ids = folders(base)
    if text == LATEST and ids:
        return base / _latest(base, ids)
    matches = [name for name in ids if name == text] or [name for name in ids if text and name.startswith(text)]
    if len(matches) == 1:
        return base / matches[0]
    if matches:
        some = ", ".join(matches[:5]) + (", …" if len(matches) > 5 else "")  # noqa: PLR2004
        raise NotFoundError(f"{len(matches)} runs begin with {text!r}: {some}", remedy="write more of the id", key=text)
    if os.path.isfile(os.path.join(text, layout.RUN_FILE)) or is_archive(text):  # noqa: PTH113, PTH118
        return path
    if is_archive(str(base / text)):
        return base / text
    raise NotFoundError(
        f"no run {text!r} under {base}",
        remedy="`runfolio ls` lists the runs; --root or RUNFOLIO_RUNS names another root",
        key=text,
    )


def folders(root: Path) -> list[str]:
    """The names of the run folders under a root, newest first; none where there is no root.

    Those of one second come in any order. Raises NotFoundError if the root is a file, FormatError if it can't be read.
    """
    prefix = os.path.join(root, "")  # noqa: PTH118  (see candidates)
    return [name for name in candidates(root) if is_run(prefix + name)]


def is_archive(path: str) -> bool:
    """Whether a path is that of a file with an archive's name: what is in it shows when it is read."""
    return path.endswith(layout.ARCHIVE_SUFFIX) and os.path.isfile(path)  # noqa: PTH113  (never raises)


def is_run(folder: str) -> bool:
    """Whether a folder under a root is a run: it has a `run.json`, or has lost it and has its events.

    One that may not be entered counts if it is named as a run.
    """
    return _has(folder, layout.RUN_FILE) or _has(folder, _EVENTS)


def candidates(root: Path) -> list[str]:
    """The same as `folders`, and names of folders that are no runs: who reads `run.json` need not ask before.

    One whose name begins with a dot is being made.
    """
    try:
        with os.scandir(root) as entries:
            names = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        raise NotFoundError(
            f"{root} is a file", remedy="name the folder that holds the runs", file=str(root)
        ) from error
    except OSError as error:
        raise FormatError(
            f"{root} can't be read: {error.strerror}", remedy="ask its owner to allow reading it", file=str(root)
        ) from error
    # Plain text paths: a Path for each of 10,000 folders takes as long as reading their run.json.
    return sorted(names, key=lambda name: (layout.start_of(name) or _start(root / name), name), reverse=True)


def _has(folder: str, name: str) -> bool:
    try:
        os.stat(folder + os.sep + name)  # noqa: PTH116
    except PermissionError:
        return layout.start_of(os.path.basename(folder)) is not None  # noqa: PTH119
    except OSError:
        return False
    return True


def _latest(root: Path, names: list[str]) -> str:
    """The newest of all, told apart from others of its second by when exactly they started."""
    second = layout.start_of(names[0]) or _start(root / names[0])
    same = [name for name in names if (layout.start_of(name) or _start(root / name)).startswith(second[:15])]
    return max(same, key=lambda name: _start(root / name)) if len(same) > 1 else names[0]


def _start(folder: Path) -> str:
    """When a run was started by its `run.json`, spelled like the beginning of a run id, with microseconds."""
    from runfolio import manifest  # noqa: PLC0415  (only folders that were renamed need it)

    try:
        start = manifest.read(folder).start_time
    except FormatError:
        try:
            start = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        except OSError:  # it was removed meanwhile
            return ""
    return f"{start:%Y%m%dT%H%M%S.%f}"
