"""Emptying: the stored tables of a run removed, and all that was recorded of them kept.

Reports stay as well, for they are small and are what runs are compared by: see `runfolio.reports`. Lines of results say
that their data was pruned, so that the folder is made anew and takes the old one's place at one instant: see
`runfolio.exchange`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from msgspec import json, structs

from runfolio.amendments import alone
from runfolio.exchange import exchange, fit
from runfolio.files import result_files
from runfolio.making import Maker
from runfolio.records import EventType, Part, Pruned, Result
from runfolio.reports import is_report
from runfolio.run import Run
from runfolio.spelling import counted, size
from runfolio.verification import Verification

if TYPE_CHECKING:
    from pathlib import Path

PRUNED = "pruned"
"""Why a part of a result is withheld since."""

_DONE = "emptied"


def tables_of(run: Run) -> dict[str, int]:
    """The files that go when a run is emptied, with their sizes: all of results but reports."""
    kept = {part.file for record in run.result_records for part in record.parts if is_report(record.path, part)}
    return {name: size for name, size in result_files(run._history.folder) if name not in kept}


def empty(folder: Path) -> Pruned:
    """Remove the tables of a run that nobody writes to; returns what its event of type `prune` tells of it.

    The caller is the one process that removes anything under that root. Raises UsageError if the run is written to,
    is damaged, or lies where folders can't be exchanged; WriteError.
    """
    with alone(folder):
        _, found = fit(folder, _DONE, results=False)
        made = exchange(folder, _DONE, lambda source, new: _Emptier(source, found, new))
        return made.told()


class _Emptier(Maker):
    """Makes the folder of a run without its tables, under the id that it has."""

    def __init__(self, source: Run, found: Verification, folder: Path) -> None:
        super().__init__(source, found, folder, found.run_id)
        self._tables = tables_of(source)

    def going(self) -> Collection[str]:
        """The tables."""
        return self._tables

    def edits(self, fields: dict[str, bytes], record: Any) -> dict[str, bytes]:
        """The parts of a result without the files that go."""
        if not isinstance(record, Result):
            return {}
        return {
            "parts": json.encode([part if is_report(record.path, part) else _emptied(part) for part in record.parts])
        }

    def told(self) -> Pruned:
        """What went."""
        parts = ((record.path, part) for record in self.source.result_records for part in record.parts)
        return Pruned(
            results=sum(part.file is not None and not is_report(path, part) for path, part in parts),
            files=len(self._tables),
            bytes=sum(self._tables.values()),
        )

    def telling(self) -> tuple[EventType, str, Pruned]:
        """The event that tells of it."""
        found = self.told()
        return "prune", f"removed the data of {counted(found.results, 'result')}, {size(found.bytes)}", found


def _emptied(part: Part) -> Part:
    return structs.replace(part, file=None, bytes=None, sha256=None, withheld=part.withheld or PRUNED)
