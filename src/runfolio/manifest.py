"""`run.json` and `SHA256SUMS`: what a run folder says of itself as a whole, beside its journals."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import structs

from runfolio import codec, layout, provenance
from runfolio.codec import BadLine
from runfolio.errors import DamageError, FormatError
from runfolio.files import journals, open_within, read_bytes, replace, result_files, sha256_of
from runfolio.history import scan
from runfolio.journal import Tail
from runfolio.limits import MAX_FINDINGS, MAX_LINE, MAX_SUMS
from runfolio.naming import named
from runfolio.records import Event, Finding, Lost, Manifest, Result, Segment, SegmentFile, Totals, converted
from runfolio.standing import RowsThrough

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.policy import Policy

VERSION = "format_version"
"""The key that the error about a newer format carries."""

_WHOLE = ("lost", "repair", "amend", *provenance.EVENTS)
_SUM = rb"([0-9a-f]{64})  ([A-Za-z0-9._/-]+)"


def write(folder: Path, manifest: Manifest, policy: Policy) -> None:
    """Put `run.json` in place. Raises WriteError."""
    replace(folder / layout.RUN_FILE, codec.encode(manifest), policy)


def read(folder: Path) -> Manifest:
    """What `run.json` says.

    Raises FormatError if there is none or it is of a newer format, DamageError if it is not what was written.
    """
    path = folder / layout.RUN_FILE
    try:
        data = read_bytes(path, MAX_LINE)
    except OSError as error:
        raise FormatError(
            f"no {layout.RUN_FILE} in {folder}: {error.strerror}", remedy="is it a run folder?", file=str(path)
        ) from error
    try:
        manifest = codec.decode_manifest(data)
    except BadLine as error:
        check_version(codec.format_version(data), path)
        raise DamageError(
            f"{path} is damaged: {error}", remedy="the journals hold all that it said", file=str(path)
        ) from error
    check_version(manifest.format_version, path)
    return manifest


def is_over(folder: Path) -> bool:
    """Whether `run.json` says that the run has ended."""
    try:
        return read(folder).state != "in_progress"
    except FormatError:
        return False


def check_version(found: int | None, path: Path) -> None:
    """Raise FormatError if a folder is of a newer format than this version of runfolio reads."""
    if found is not None and found > layout.FORMAT_VERSION:
        raise FormatError(
            f"{path} is of format version {found}, and this runfolio reads up to {layout.FORMAT_VERSION}",
            remedy="upgrade runfolio: pip install -U runfolio",
            file=str(path),
            key=VERSION,
        )


def measure(folder: Path, own: list[SegmentFile], steps: int, through: RowsThrough) -> tuple[Totals, list[Segment]]:
    """What a folder amounts to: the ending writer's journals, steps and rows, which it counted, and those of others."""
    known = {file.file: file for file in own}
    segments: dict[str, list[SegmentFile]] = {}
    lines: dict[str, int] = {}
    for kind, writer, path in journals(folder):
        try:
            file = known.get(path.name) or _length(path)
        except (OSError, FormatError):  # it is no journal; a reader reports it
            continue
        segments.setdefault(writer, []).append(file)
        stem = layout.STEMS.get(kind, kind)
        lines[stem] = lines.get(stem, 0) + file.lines
        if kind == "timing" and path.name not in known:
            steps += sum(getattr(timing, "parent_id", "") is None for timing in scan(folder, kind, writer))
        if kind == "snapshot" and path.name not in known:
            for snapshot in scan(folder, kind, writer):
                through.take(snapshot)
    size = sum(file.bytes for files in segments.values() for file in files)
    size += sum(size for _, size in result_files(folder))
    counted = {stem: lines.get(stem, 0) for stem in layout.KINDS}
    rows_in, rows_out = through.rows
    totals = Totals(steps=steps, bytes=size, rows_in=rows_in, rows_out=rows_out, **counted)
    return totals, [Segment(writer, files) for writer, files in segments.items()]


def events(folder: Path, own: Collection[str]) -> list[Event]:
    """What the run tells of itself as a whole by the events of all writers but these, in the order of their times."""
    found: list[Event] = []
    for kind, writer, _ in journals(folder):
        if kind == "event" and writer not in own:
            with suppress(OSError, FormatError):  # it is no journal; a reader reports it
                found += (one for one in scan(folder, kind, writer) if isinstance(one, Event) and one.type in _WHOLE)
    return sorted(found, key=lambda event: event.timestamp)


def lost(events: Collection[Event]) -> int:
    """How many records and results these events tell as lost, since the last repair if there was one."""
    repaired = max((event.timestamp for event in events if event.type == "repair"), default=None)
    told = [event for event in events if event.type == "lost" and (repaired is None or event.timestamp > repaired)]
    found = (converted(event.context, Lost) for event in told)
    return sum(one.records + one.results for one in found if one)


def write_sums(folder: Path, policy: Policy) -> None:
    """Write SHA256SUMS over all files of an ended run, for `sha256sum -c SHA256SUMS` in the folder.

    The digests of results are those of their commit lines. Raises WriteError.
    """
    known = {
        part.file: part.sha256
        for result in scan(folder, "result")
        if isinstance(result, Result)
        for part in result.parts
        if part.file is not None
    }
    configurations = filter(layout.is_config_name, (path.name for path in folder.iterdir()))
    names = [layout.RUN_FILE, *configurations, *(path.name for _, _, path in journals(folder))]
    lines = []
    for name in sorted([*names, *(name for name, _ in result_files(folder))]):
        with suppress(FileNotFoundError, FormatError):  # what is no regular file is none of the run's
            lines.append(f"{known.get(name) or sha256_of(open_within(folder, name))[1]}  {name}\n")
    replace(folder / layout.SUMS_FILE, "".join(lines).encode(), policy)


def seal_again(folder: Path, found: Manifest, policy: Policy, untold: int = 0) -> None:
    """Take totals and digests of an ended run again, after a writer that came later; `untold` records it has lost.

    Raises OSError, FormatError, WriteError.
    """
    totals, segments = measure(folder, [], 0, RowsThrough())
    told = events(folder, ())
    name, tags = named(found.name, found.tags, told)
    again = structs.replace(
        found,
        name=name,
        tags=tags,
        lost=max(found.lost, lost(told) + untold),
        totals=totals,
        segments=segments,
        provenance=provenance.told(told, provenance.MOST_INPUTS),
    )
    write(folder, again, policy)
    write_sums(folder, policy)


def read_sums(folder: Path) -> tuple[dict[str, str], list[Finding]]:
    """The digests that SHA256SUMS lists, by path, and what in it is no such line.

    Raises FormatError if it is no regular file, OSError if it can't be read, FileNotFoundError if there is none.
    """
    data = read_bytes(folder / layout.SUMS_FILE, MAX_SUMS)
    sums: dict[str, str] = {}
    findings, byte = [], 0
    for number, line in enumerate(data.split(b"\n"), 1):
        found = re.fullmatch(_SUM, line)
        if found is not None:
            sums[found[2].decode()] = found[1].decode()
        elif byte < len(data):
            reason = "it is no digest and path of a file of this run"
            findings.append(Finding(file=layout.SUMS_FILE, line=number, byte=byte, reason=reason))
        byte += len(line) + 1
    return sums, findings[:MAX_FINDINGS]


def _length(path: Path) -> SegmentFile:
    tail = Tail(path)
    for _ in tail.read():
        pass
    return SegmentFile(path.name, tail.lines, tail.offset)
