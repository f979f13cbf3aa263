"""Every name in a run folder, and what is format and what is a writer's choice.

::

    runs/                                    the root: RUNFOLIO_RUNS, or Status(root=...), or ./runs
    └── 20261122T184800Z-penguins-k3x9/      a run folder; its name is the run id
        ├── run.json                         RUN_FILE       manifest and totals, a cache of the journals
        ├── config.yaml                      config_name    the pipeline as given, where there was one
        ├── main.lock                        lock_name      held by the writer while it lives
        ├── snapshots.jsonl                  journal_name   one journal a kind of record and writer
        ├── snapshots.<writer>.jsonl
        ├── changes.jsonl  timings.jsonl  results.jsonl  schemas.jsonl  events.jsonl
        ├── SHA256SUMS                       SUMS_FILE      written when the run ends
        └── results/                         RESULTS_FOLDER
            ├── 000012-preprocessor-scale.parquet
            └── <writer>-000012-preprocessor-scale.parquet

Format, which a reader may rely on: the names in capitals, `<stem>[.<writer>].jsonl`, `<writer>.lock`, and that a
journal's stem tells the kind of its records. A writer's choice: run ids (the start that they begin with
only serves to list the newest first without reading), the slugs and numbers of result files (never parsed).
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import TYPE_CHECKING

from runfolio.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 1

RUN_FILE = "run.json"
SUMS_FILE = "SHA256SUMS"
RESULTS_FOLDER = "results"
INDEX_FILE = ".index.jsonl"
"""Under a root, a cache of what a list of its runs says; no part of the format."""

ARCHIVE_SUFFIX = ".zip"
"""An archive is one zip file of a run folder, beside which it stands."""

MAIN_WRITER = "main"

STEMS = {
    "snapshot": "snapshots",
    "change": "changes",
    "timing": "timings",
    "result": "results",
    "schema": "schemas",
    "event": "events",
}
"""The journal's stem for each kind of record."""

KINDS = {stem: kind for kind, stem in STEMS.items()}

# Patterns as text: `re` compiles each when it is first used, and most who import the package use none.
_JOURNAL = r"([a-z][a-z_]*)(?:\.(?!main\.)([a-z0-9]{1,32}))?\.jsonl"
_CONFIG = r"config(?:\.[a-z0-9]{1,32})?\.yaml"
_LOCK = r"[a-z0-9]{1,32}\.lock"
_RESULT = r"results/[a-z0-9][a-z0-9.-]*"
_START = re.compile(r"(\d{8}T\d{6})Z-")  # a list asks it of each run
_NOT_SLUG = r"[^a-z0-9]+"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def root_of(root: str | os.PathLike[str] | None) -> Path:
    """The folder that holds the runs: as given, else RUNFOLIO_RUNS, else `runs` in the current folder."""
    from pathlib import Path  # noqa: PLC0415  (a tenth of the time that importing the package takes)

    return Path(os.environ.get("RUNFOLIO_RUNS") or "runs" if root is None else path_text(root, "root"))


def path_text(path: str | os.PathLike[str], what: str) -> str:
    """A path given by a user, as text. Raises UsageError for what can't be one."""
    found = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(found, str) or "\0" in found:
        raise UsageError(f"{what} is {path!r}, which is no path", remedy="pass a path as text", key=what)
    return found


def slug(text: str) -> str:
    """Letters a-z, digits and hyphens to decorate a file name with; at most 40 characters, perhaps none.

    >>> slug("Preprocessor [scale, 2×]")
    'preprocessor-scale-2'
    """
    return re.sub(_NOT_SLUG, "-", text[:400].lower())[:40].strip("-")


def token(length: int) -> str:
    """Random characters that are easy to tell apart, from the operating system's source."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(length))


def new_run_id(start: datetime, name: str | None) -> str:
    """A run id: the UTC start, the slug of the name, and a random suffix.

    >>> from datetime import timezone
    >>> new_run_id(datetime(2026, 11, 22, 18, 48, tzinfo=timezone.utc), "Penguins")[:-4]
    '20261122T184800Z-penguins-'
    """
    return f"{start_text(start)}Z-{slug(name or '') or 'run'}-{token(4)}"


def start_text(start: datetime) -> str:
    """The second of a start in UTC, as a run id begins with it."""
    return f"{start:%Y%m%dT%H%M%S}".zfill(15)


def start_of(run_id: str) -> str | None:
    """The start to the second that a run id begins with; None for a folder that was given another name.

    >>> start_of("20261122T184800Z-penguins-k3x9"), start_of("copy of it")
    ('20261122T184800', None)
    """
    match = _START.match(run_id)
    return None if match is None else match[1]


def journal_name(kind: str, writer: str) -> str:
    """The file of one writer's records of one kind.

    >>> journal_name("snapshot", "main"), journal_name("snapshot", "x7k2")
    ('snapshots.jsonl', 'snapshots.x7k2.jsonl')
    """
    infix = "" if writer == MAIN_WRITER else f".{writer}"
    return f"{STEMS[kind]}{infix}.jsonl"


def parse_journal_name(name: str) -> tuple[str, str] | None:
    """The kind and the writer of a journal, or None for any other file.

    A stem that this version does not know names a kind of a later version: it is its own kind.

    >>> parse_journal_name("changes.x7k2.jsonl"), parse_journal_name("run.json")
    (('change', 'x7k2'), None)
    """
    match = re.fullmatch(_JOURNAL, name)
    if match is None:
        return None
    return KINDS.get(match[1], match[1]), match[2] or MAIN_WRITER


def lock_name(writer: str) -> str:
    """The lock of one writer.

    >>> lock_name("main")
    'main.lock'
    """
    return f"{writer}.lock"


def is_lock_name(name: str) -> bool:
    """Whether a file is a writer's lock.

    >>> is_lock_name("x7k2.lock"), is_lock_name("poetry.lock.bak")
    (True, False)
    """
    return re.fullmatch(_LOCK, name) is not None


def config_name(writer: str) -> str:
    """The configuration that a writer goes by.

    >>> config_name("main"), config_name("x7k2")
    ('config.yaml', 'config.x7k2.yaml')
    """
    return "config.yaml" if writer == MAIN_WRITER else f"config.{writer}.yaml"


def is_config_name(name: str) -> bool:
    """Whether a file is a writer's configuration.

    >>> is_config_name("config.x7k2.yaml"), is_config_name("../config.yaml")
    (True, False)
    """
    return re.fullmatch(_CONFIG, name) is not None


def result_name(writer: str, number: int, decoration: str, suffix: str) -> str:
    """A result file's path within the run folder.

    >>> result_name("main", 12, "Preprocessor scale", "parquet")
    'results/000012-preprocessor-scale.parquet'
    """
    prefix = "" if writer == MAIN_WRITER else f"{writer}-"
    tail = slug(decoration)
    return f"{RESULTS_FOLDER}/{prefix}{number:06d}{'-' if tail else ''}{tail}.{suffix}"


def is_result_name(name: str) -> bool:
    """Whether a path that was read from a folder is one of a result file, and so stays within the folder.

    >>> is_result_name("results/000012-scale.parquet"), is_result_name("results/../../secret")
    (True, False)
    """
    return re.fullmatch(_RESULT, name) is not None


def is_own(name: str) -> bool:
    """Whether a file directly in a run folder is one of the run's, by its name.

    >>> [name for name in ("run.json", "events.jsonl", "main.lock", "notes.txt") if is_own(name)]
    ['run.json', 'events.jsonl', 'main.lock']
    """
    return (
        name in (RUN_FILE, SUMS_FILE)
        or parse_journal_name(name) is not None
        or is_config_name(name)
        or is_lock_name(name)
    )
