"""Making: a run's folder made anew of what another has: all that is intact in it, or all that is to stay.

Lines are taken as they are but for what has to change, and are counted anew; the last segment tells what was done. The
folder is no run before it gets the name of one.
"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Collection
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct, json, structs, to_builtins

from runfolio import codec, layout, manifest
from runfolio.amendments import ENDED
from runfolio.errors import DamageError, FormatError
from runfolio.files import open_within, result_files, sync_folder
from runfolio.policy import Policy, access_of
from runfolio.records import (
    Continued,
    Event,
    EventType,
    Header,
    Manifest,
    SegmentFile,
    converted,
)
from runfolio.run import Run
from runfolio.salvage import Line, Salvage
from runfolio.standing import RowsThrough
from runfolio.verification import Verification
from runfolio.version import __version__

_CHUNK = 1024 * 1024


class Maker:
    """Makes the folder of a run anew, of another: what a line becomes and which results stay is for others to say."""

    goes_on = False
    """Whether the segment that tells of it goes on for the last one."""

    def __init__(self, source: Run, found: Verification, folder: Path, run_id: str) -> None:
        self.lines = 0
        self.taken = 0
        self.files = 0
        self.lines_left_out = 0
        self.source = source
        self.found = found
        self.old = source._history.folder
        self.new = folder
        self.run_id = run_id
        self.salvage = Salvage(source)
        self._written: dict[str, list[SegmentFile]] = {}

    def make(self) -> None:
        """Fill the folder. Raises OSError, WriteError."""
        self._copy_configurations()
        self.copy_results()
        timeline = self.source._history.timeline
        for writer in self.salvage.writers:
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
        damaged = {finding.file for finding in self.found.findings}
        for path in sorted(self.old.iterdir()):
            if layout.is_config_name(path.name) and path.name not in damaged:
                self.take(path.name)

    def copy_results(self) -> None:
        """Copy the files of results that stay."""
        going = self.going()
        names = [name for name, _ in result_files(self.old) if name not in going]
        if names:
            (self.new / layout.RESULTS_FOLDER).mkdir(0o700)
        for name in names:
            self.take(name)

    def going(self) -> Collection[str]:
        """The files of results that are not taken over."""
        return ()

    def take(self, name: str) -> None:
        """Copy one file that is to stay. Raises DamageError if it can't be read."""
        if self.copy(name) is None:
            raise DamageError(f"{self.old / name} can't be read", remedy="see `runfolio verify`", file=name)

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
        lines = self.salvage.lines(writer)
        self.taken += len(lines)
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
        fields, record = codec.fields_of(line.text), line.record
        if isinstance(record, Event) and record.type == "segment":
            return [{**fields, "context": self._header(writer, fields["context"], record)}]
        return [{**fields, **self.edits(fields, record)}]

    def edits(self, fields: dict[str, bytes], record: Any) -> dict[str, bytes]:
        """The fields of a line that become others, as they are spelled."""
        return {}

    def _header(self, writer: str, text: bytes, record: Event) -> bytes:
        found = converted(record.context, Header)
        if found is None:
            return json.encode(self.new_header(writer, None))
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
            context=to_builtins(self.new_header(writer, None)),
        )
        return codec.fields_of(codec.encode(event))

    def new_header(self, writer: str, continues: Continued | None) -> Header:
        """What is known of the run, by other writers' headers or by `run.json`, and this process."""
        known: Any = next(iter(self.salvage.headers), self.salvage.manifest)
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
        """Write the segment that tells of it, as the last of the run."""
        writer = layout.token(8)
        kind, message, context = self.telling()
        contexts = {
            "segment": to_builtins(
                self.new_header(writer, self._continued(last) if last is not None and self.goes_on else None)
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
        raise NotImplementedError

    def write_manifest(self) -> None:
        """Write `run.json` as it was but for its totals, and SHA256SUMS of an ended run."""
        policy = Policy(durability="power", access=access_of(self.old))
        found = self.new_manifest(manifest.read(self.old))
        if self.source.state not in ENDED:
            manifest.write(self.new, found, policy)
            return
        totals, segments = manifest.measure(self.new, [], 0, RowsThrough())
        manifest.write(self.new, structs.replace(found, totals=totals, segments=segments), policy)
        manifest.write_sums(self.new, policy)

    def new_manifest(self, found: Manifest) -> Manifest:
        """What `run.json` becomes."""
        return found


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
