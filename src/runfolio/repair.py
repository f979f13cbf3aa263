"""repair: a new run folder of all that is intact in a damaged one, which stays as it is.

The folder is made under a name that begins with a dot, and gets its own when all is in it and on the disk: a repair
that was killed leaves nothing that is taken for a run.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from itertools import count, takewhile
from os import PathLike
from pathlib import Path
from typing import Any

from msgspec import Struct

from runfolio import codec, layout, manifest, provenance
from runfolio import root as roots
from runfolio.amendments import ENDED
from runfolio.attempt import refuse_archive
from runfolio.clock import in_utc
from runfolio.errors import UsageError
from runfolio.files import beside, result_files, sync_folder, write_error
from runfolio.making import Maker
from runfolio.policy import Policy, access_of
from runfolio.records import EventType, Manifest, Part, Repair, Result, Snapshot, Totals, converted
from runfolio.run import Run
from runfolio.salvage import Line, metadata_of, parts_of
from runfolio.standing import RowsThrough
from runfolio.verification import Verification, check, content_problem, is_alive
from runfolio.version import __version__

MOST_FINDINGS = 100
"""So many findings, and as many lost files, are told of in the repaired run, with the number of all."""


class Repaired(Struct, frozen=True, kw_only=True):
    """What became of a repair: the new run and its folder, and what of the damaged run is in it.

    `lines` and `files` are those that were taken over; `findings` is how many there were; `left_out` are the files of
    results that are lost, and `lines_left_out` counts the lines of results that went with them.
    """

    run_id: str
    folder: str
    source: str
    lines: int
    files: int
    findings: int
    left_out: list[str]
    lines_left_out: int


def repair(
    run: str | PathLike[str], *, root: str | PathLike[str] | None = None, to: str | PathLike[str] | None = None
) -> Repaired:
    """Make a new run of all that is intact in a damaged one, beside it, or as the folder `to`.

    `run` and `root` are as for `load_run`. Lines are taken as they are, but counted anew; results whose files are
    intact with them. The new run has an event of type `repair`, which tells what it was made of and what was wrong.

    Raises UsageError if the run is sound, if someone writes to it, or if `to` is there already; WriteError; and what
    `load_run` raises.
    """
    folder = roots.find(run, root).resolve()
    refuse_archive(folder)
    source = Run(folder)
    if is_alive(source):
        raise UsageError(
            f"{folder} can't be repaired: it is still written to", remedy="wait until its writer has ended"
        )
    found = check(source)
    if found.is_sound:
        raise UsageError(f"{folder} is sound: there is nothing to repair", remedy="`runfolio verify` tells what it is")
    target = _target(folder, to)
    temporary = beside(target)
    try:
        return _made(source, found, temporary, target)
    except OSError as error:
        raise write_error(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def repairs(run: Run) -> list[Repair]:
    """The repairs that a run was made by, in order: none of a run as its writers left it."""
    found = (converted(event.context, Repair) for event in run.events if event.type == "repair")
    return [repair for repair in found if repair is not None]


def _target(folder: Path, to: str | PathLike[str] | None) -> Path:
    if to is not None:
        given = Path(layout.path_text(to, "to")).absolute()
        if os.path.lexists(given):
            raise UsageError(f"{given} is there already", remedy="name a folder that is not there yet", key="to")
        if folder in Path(os.path.realpath(given)).parents:
            raise UsageError(f"{given} is in the damaged run", remedy="name a folder outside of it", key="to")
        return given
    names = (f"{folder.name}-repaired{'' if number == 1 else f'-{number}'}" for number in count(1))
    return next(folder.parent / name for name in names if not os.path.lexists(folder.parent / name))


def _made(source: Run, found: Verification, temporary: Path, target: Path) -> Repaired:
    missing = takewhile(lambda folder: not folder.exists(), temporary.parents)
    for folder in (*reversed([*missing]), temporary):
        folder.mkdir(0o700)
    maker = _Repairer(source, found, temporary, target.name)
    maker.make()
    maker.take_modes()
    temporary.rename(target)
    sync_folder(target.parent)
    return Repaired(
        run_id=target.name,
        folder=str(target),
        source=found.run_id,
        lines=maker.lines,
        files=maker.files,
        findings=len(found.findings),
        left_out=maker.left_out,
        lines_left_out=maker.lines_left_out,
    )


class _Repairer(Maker):
    """Makes a run of all that is intact in a damaged one."""

    goes_on = True

    def __init__(self, source: Run, found: Verification, folder: Path, run_id: str) -> None:
        super().__init__(source, found, folder, run_id)
        self.left_out: list[str] = []
        self._sound: set[Part] = set()

    def take(self, name: str) -> None:
        """Copy one file, if it can be read."""
        self.copy(name)

    def copy_results(self) -> None:
        """Copy the files of results, but those that are not what their lines say; one that no line names is kept."""
        names = sorted(name for name, _ in result_files(self.old))
        parts: dict[str, list[Part]] = {}
        for record in self.source.result_records:
            for part in record.parts:
                if part.file is None:  # it was left out on purpose, so that nothing of it is lost
                    self._sound.add(part)
                else:
                    parts.setdefault(part.file, []).append(part)
        if names:
            (self.new / layout.RESULTS_FOLDER).mkdir(0o700)
        for name in names:
            digest = self.copy(name)
            sound = [part for part in parts.get(name, ()) if self._is_sound(part, digest)]
            self._sound.update(sound)
            if name in parts and not sound and digest is not None:
                (self.new / name).unlink()
                self.files -= 1
        self.left_out = sorted(name for name, named in parts.items() if not self._sound.intersection(named))

    def _is_sound(self, part: Part, digest: str | None) -> bool:
        return part.sha256 == digest and content_problem(self.new, part) is None

    def edited(self, writer: str, line: Line) -> list[dict[str, bytes]]:
        """The lines that a line becomes: none if it is one of a result whose parts are all lost."""
        if isinstance(line.record, Result) and not self._sound.intersection(line.record.parts):
            return []
        return super().edited(writer, line)

    def edits(self, fields: dict[str, bytes], record: Any) -> dict[str, bytes]:
        """What of a snapshot and a result still names something."""
        known = self.source._history.schemas
        if isinstance(record, Snapshot):
            return {"metadata": metadata_of(fields["metadata"], record, known)}
        if isinstance(record, Result):
            return {"parts": codec.array_of(parts_of(fields["parts"], record, known, self._sound))}
        return {}

    def telling(self) -> tuple[EventType, str, Struct]:
        """The event that tells of it: type, message and context."""
        found = self.found
        context = Repair(
            run_id=found.run_id,
            count=len(found.findings),
            findings=found.findings[:MOST_FINDINGS],
            left_out=self.left_out[:MOST_FINDINGS],
            files=len(self.left_out),
            lines=self.lines_left_out,
        )
        return "repair", f"repaired from {found.run_id}", context

    def write_manifest(self) -> None:
        """Write `run.json` and SHA256SUMS."""
        run, ended = self.source, self.source.state in ENDED
        totals, segments = manifest.measure(self.new, [], 0, RowsThrough())
        header = self.new_header("", None)
        known = self.salvage.manifest
        found = Manifest(
            format_version=layout.FORMAT_VERSION,
            run_id=self.run_id,
            name=header.name,
            tags=header.tags,
            sequence=header.sequence,
            state=run.state if ended else "in_progress",
            start_time=run.start_time or (in_utc(known.start_time) if known else None) or datetime.now(UTC),
            end_time=run.end_time,
            duration_seconds=run.duration_seconds,
            host=known.host if known else header.host,
            runfolio=__version__,
            python=header.python,
            error=run.error,
            lost=0,
            totals=totals if ended else Totals(),
            segments=segments,
            provenance=provenance.told(run.events, provenance.MOST_INPUTS),
        )
        policy = Policy(durability="power", access=access_of(self.old))
        manifest.write(self.new, found, policy)
        manifest.write_sums(self.new, policy)
