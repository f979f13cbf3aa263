"""Lines: the sound ones of many runs' journals as they are spelled, for a reader that parses them itself.

A line is sound if its checksum is right and it is of the type that its journal is for. One of a kind that this version
does not know is passed over, as is the unfinished last line of a journal; any other is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from runfolio import codec
from runfolio.codec import BadLine
from runfolio.errors import FormatError
from runfolio.files import journals
from runfolio.journal import Lines, Tail
from runfolio.limits import MAX_FINDINGS
from runfolio.records import Finding, Opaque

if TYPE_CHECKING:
    import pyarrow as pa

    from runfolio.catalog import RunRow

BATCH = 32 * 1024 * 1024
"""So many bytes of lines end a batch."""


class RunJournal(Struct, frozen=True):
    """A journal, the run that it is of, and the run's folder as an absolute path."""

    run_id: str
    folder: str
    writer: str
    kind: str
    path: Path

    @property
    def name(self) -> str:
        """Its path from the root."""
        return f"{os.path.basename(self.folder)}/{self.path.name}"  # noqa: PTH119


def journals_of(row: RunRow) -> list[RunJournal]:
    """The journals of a run; none of one that was removed meanwhile."""
    folder = os.path.abspath(row.folder)  # noqa: PTH100  (links stay)
    try:
        found = journals(Path(folder))
    except FormatError:
        return []
    return [RunJournal(row.run_id, folder, writer, kind, path) for kind, writer, path in found]


def batches(files: Iterable[RunJournal], damage: list[Finding]) -> Iterator[pa.Table]:
    """The sound lines of journals in tables: run_id, folder, writer, line. What is damaged is added to the findings."""
    batch = _Batch()
    for journal in files:
        for lines in _sound(journal, damage):
            batch.add(journal, lines)
            if batch.bytes >= BATCH:
                yield batch.table()
                batch = _Batch()
    if batch.bytes:
        yield batch.table()


class _Batch:
    def __init__(self) -> None:
        self.bytes = 0
        self._owners: list[tuple[RunJournal, int]] = []
        self._lines: list[str] = []

    def add(self, journal: RunJournal, lines: list[str]) -> None:
        """Take some lines of a journal."""
        self.bytes += sum(map(len, lines))
        self._owners.append((journal, len(lines)))
        self._lines += lines

    def table(self) -> pa.Table:
        """All that was taken, a row a line."""
        import pyarrow as pa  # noqa: PLC0415

        columns = {
            name: pa.array([value for one, many in self._owners for value in [getattr(one, name)] * many], pa.string())
            for name in ("run_id", "folder", "writer")
        }
        return pa.table({**columns, "line": pa.array(self._lines, pa.large_string())})


def _sound(journal: RunJournal, damage: list[Finding]) -> Iterator[list[str]]:
    """The sound lines of a journal, block by block."""
    try:
        for lines in Tail(journal.path).read():
            try:
                codec.decode_all(journal.kind, lines.lines)
                yield [line.decode() for line in lines.lines]
            except (BadLine, ValueError, KeyError, RecursionError):
                yield list(_each(journal, lines, damage))
    except (OSError, FormatError) as error:
        _report(damage, Finding(file=journal.name, reason=f"it can't be read: {error}"))


def _each(journal: RunJournal, lines: Lines, damage: list[Finding]) -> Iterator[str]:
    byte = lines.offset
    for number, line in enumerate(lines.lines, lines.first):
        try:
            if type(codec.decode(journal.kind, line)) is not Opaque:
                yield line.decode()
        except (BadLine, UnicodeDecodeError) as error:
            _report(damage, Finding(file=journal.name, line=number, byte=byte, reason=str(error)))
        byte += len(line) + 1


def _report(damage: list[Finding], finding: Finding) -> None:
    """Keep a finding, up to a number that no one would read through."""
    if len(damage) < MAX_FINDINGS:
        damage.append(finding)
