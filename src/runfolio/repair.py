"""repair: a new run folder of all that is intact in a damaged one, which stays as it is.

The folder is made under a name that begins with a dot, and gets its own when all is in it and on the disk: a repair
that was killed leaves nothing that is taken for a run.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count, takewhile
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct, json, to_builtins

from runfolio import codec, layout, manifest, provenance
from runfolio import root as roots
from runfolio.attempt import refuse_archive
from runfolio.clock import in_utc
from runfolio.errors import FormatError, UsageError
from runfolio.files import beside, open_within, result_files, sync_folder, write_error
from runfolio.policy import Policy, access_of
from runfolio.records import (
    Continued,
    Event,
    EventType,
    Header,
    Manifest,
    Part,
    Repair,
    Result,
    SegmentFile,
    Snapshot,
    Totals,
    converted,
)
from runfolio.run import Run
from runfolio.salvage import Line, Salvage, metadata_of, parts_of
from runfolio.standing import RowsThrough
from runfolio.verification import Verification, check, content_problem, is_alive
from runfolio.version import __version__

MOST_FINDINGS = 100
"""So many findings, and as many lost files, are told of in the repaired run, with the number of all."""

_CHUNK = 1024 * 1024


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
    maker = Maker(source, found, temporary, target.name)
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


class Maker:
    """Makes the folder of a run anew, of what is intact in another. Redactions make theirs by it too."""

    goes_on = True
    """Whether the segment that tells of it goes on for the last one."""

    def __init__(self, source: Run, found: Verification, folder: Path, run_id: str) -> None:
        self.lines = 0
        self.files = 0
        self.left_out: list[str] = []
        self.lines_left_out = 0
        self.source = source
        self._found = found
        self.old = source._history.folder
        self.new = folder
        self.run_id = run_id
        self.sound: set[Part] = set()
        self._written: dict[str, list[SegmentFile]] = {}
        self._salvage = Salvage(source)

    def make(self) -> None:
        """Fill the folder. Raises OSError, WriteError."""
        self._copy_configurations()
        self.copy_results()
        timeline = self.source._history.timeline
        for writer in self._salvage.writers:
            self._write_segment(writer)
        self._tell(timeline.attempts()[-1] if timeline.streams else None)
        self.write_manifest()

    def take_modes(self) -> None:
        """Let every file and folder be for whom its original is; and be on the disk, as its name is."""
        plain = stat.S_IMODE(self.old.stat().st_mode) & 0o666
        for path in self.new.rglob("*"):
            try:
                mode = stat.S_IMODE((self.old / path.relative_to(self.new)).lstat().st_mode) & 0o777
            except FileNotFoundError:
                mode = plain
            path.chmod(mode)
        for folder in (self.new, self.new / layout.RESULTS_FOLDER):
            if folder.is_dir():
                sync_folder(folder)
        self.new.chmod(stat.S_IMODE(self.old.stat().st_mode) & 0o777)

    # Files

    def _copy_configurations(self) -> None:
        damaged = {finding.file for finding in self._found.findings}
        for path in sorted(self.old.iterdir()):
            if layout.is_config_name(path.name) and path.name not in damaged:
                self.copy(path.name)

    def copy_results(self) -> None:
        """Copy the files of results, but those that are not what their lines say; one that no line names is kept."""
        names = sorted(name for name, _ in result_files(self.old))
        parts: dict[str, list[Part]] = {}
        for record in self.source.result_records:
            for part in record.parts:
                if part.file is None:  # it was left out on purpose, so that nothing of it is lost
                    self.sound.add(part)
                else:
                    parts.setdefault(part.file, []).append(part)
        if names:
            (self.new / layout.RESULTS_FOLDER).mkdir(0o700)
        for name in names:
            digest = self.copy(name)
            sound = [part for part in parts.get(name, ()) if self._is_sound(part, digest)]
            self.sound.update(sound)
            if name in parts and not sound and digest is not None:
                (self.new / name).unlink()
                self.files -= 1
        self.left_out = sorted(name for name, named in parts.items() if not self.sound.intersection(named))

    def _is_sound(self, part: Part, digest: str | None) -> bool:
        return part.sha256 == digest and content_problem(self.new, part) is None

    def copy(self, name: str) -> str | None:
        """Copy one file and return its digest; None for what is no regular file, or can't be read to its end."""
        from hashlib import sha256  # noqa: PLC0415  (loads OpenSSL; `show` asks for repairs alone)

        try:
            fd = open_within(self.old, name)
        except (OSError, FormatError):
            return None
        path, digest = self.new / name, sha256()
        with os.fdopen(fd, "rb") as old, path.open("xb") as new:
            while chunk := _read(old):
                digest.update(chunk)
                new.write(chunk)
            new.flush()
            os.fsync(new.fileno())
        if chunk is None:
            path.unlink()
            return None
        self.files += 1
        return digest.hexdigest()

    # Lines

    def _write_segment(self, writer: str) -> None:
        """Write the intact lines of a writer, counted anew, each in the journal that it was in."""
        lines = self._salvage.lines(writer)
        if not lines:
            return
        with _Journals(self.new) as journals:
            if not _is_header(lines[0].record):
                journals.append(layout.journal_name("event", writer), self._lost_header(writer, lines))
            for line in lines:
                edited = self.edited(writer, line)
                for fields in edited:
                    journals.append(line.file, fields)
                self.lines += len(edited)
                self.lines_left_out += not edited
            journals.sync()
        self._written[writer] = journals.lengths()

    def edited(self, writer: str, line: Line) -> list[dict[str, bytes]]:
        """The lines that a line becomes in the new run, by their fields; none if nothing of it is left."""
        fields, record, known = codec.fields_of(line.text), line.record, self.source._history.schemas
        if isinstance(record, Event) and record.type == "segment":
            fields["context"] = self._header(writer, fields["context"], record)
        elif isinstance(record, Snapshot):
            fields["metadata"] = metadata_of(fields["metadata"], record, known)
        elif isinstance(record, Result):
            parts = parts_of(fields["parts"], record, known, self.sound)
            if not parts:
                return []
            fields["parts"] = codec.array_of(parts)
        return [fields]

    def _header(self, writer: str, text: bytes, record: Event) -> bytes:
        found = converted(record.context, Header)
        if found is None:
            return json.encode(self._new_header(writer, None))
        continues = None if found.continues is None else self._continued(found.continues.writer)
        edited = {"run_id": self.run_id, "writer": writer, "continues": continues}
        return codec.object_of(
            {**codec.fields_of(text), **{name: json.encode(value) for name, value in edited.items()}}
        )

    def _continued(self, writer: str) -> Continued | None:
        """Where a segment left another, as that one is now; None if nothing of it is there."""
        files = self._written.get(writer)
        return None if files is None else Continued(writer, files)

    def _lost_header(self, writer: str, lines: list[Line]) -> dict[str, bytes]:
        """A header in the place of one that is lost, at the time of the first line that has one."""
        times = (line.record.timestamp for line in lines if hasattr(line.record, "timestamp"))
        event = Event(
            seq=1,
            event_id=_first_event_id(writer),
            timestamp=next(times, datetime.now(UTC)),
            type="segment",
            context=to_builtins(self._new_header(writer, None)),
        )
        return codec.fields_of(codec.encode(event))

    def _new_header(self, writer: str, continues: Continued | None) -> Header:
        """What is known of the run, by other writers' headers or by `run.json`, and this process."""
        known: Any = next(iter(self._salvage.headers), self._salvage.manifest)
        return Header(
            format_version=layout.FORMAT_VERSION,
            run_id=self.run_id,
            name=known.name if known else None,
            sequence=known.sequence if known else [],
            tags=known.tags if known else [],
            results=getattr(known, "results", "full"),
            profile=getattr(known, "profile", "full"),
            modules=getattr(known, "modules", []),
            durability=getattr(known, "durability", "process"),
            writer=writer,
            host=platform.node(),
            boot_id="",
            pid=os.getpid(),
            runfolio=__version__,
            python=platform.python_version(),
            continues=continues,
        )

    # What is told of it

    def _tell(self, last: str | None) -> None:
        """Write the segment of the repair, as the last of the run."""
        writer = layout.token(8)
        kind, message, context = self.telling()
        contexts = {
            "segment": to_builtins(
                self._new_header(writer, self._continued(last) if last is not None and self.goes_on else None)
            ),
            kind: to_builtins(context),
        }
        with _Journals(self.new) as journals:
            for number, (type_, one) in enumerate(contexts.items(), 1):
                event = Event(
                    seq=number,
                    event_id=f"event-{writer}-{number:06d}",
                    timestamp=datetime.now(UTC),
                    type=type_,
                    message=message if type_ == kind else None,
                    context=one,
                )
                journals.append(layout.journal_name("event", writer), codec.fields_of(codec.encode(event)))
            journals.sync()

    def telling(self) -> tuple[EventType, str, Struct]:
        """The event that tells of it: type, message and context."""
        found = self._found
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
        run, ended = self.source, self.source.state in ("completed", "failed")
        totals, segments = manifest.measure(self.new, [], 0, RowsThrough())
        header = self._new_header("", None)
        known = self._salvage.manifest
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


class _Journals:
    """The journals of one writer as they are written, under one count."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seq = 0
        self._open = ExitStack()
        self._files: dict[str, BinaryIO] = {}
        self._lines: dict[str, int] = {}

    def __enter__(self) -> _Journals:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def append(self, name: str, fields: dict[str, bytes]) -> None:
        """Write a line as the next one of the count."""
        self._seq += 1
        if name not in self._files:
            self._files[name] = self._open.enter_context((self._folder / name).open("xb"))
        self._files[name].write(codec.sealed({**fields, "seq": str(self._seq).encode()}))
        self._lines[name] = self._lines.get(name, 0) + 1

    def sync(self) -> None:
        """Have all of it on the disk."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())

    def lengths(self) -> list[SegmentFile]:
        """How long each journal is."""
        return [
            SegmentFile(name, lines, (self._folder / name).stat().st_size)
            for name, lines in sorted(self._lines.items())
        ]


def _read(file: BinaryIO) -> bytes | None:
    """The next piece of a file, none at its end; None if the disk gives no more of it."""
    try:
        return file.read(_CHUNK)
    except OSError:
        return None


def _is_header(record: Any) -> bool:
    return isinstance(record, Event) and record.type == "segment"


def _first_event_id(writer: str) -> str:
    return "event-000001" if writer == layout.MAIN_WRITER else f"event-{writer}-000001"
