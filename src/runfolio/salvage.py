"""What is intact in a damaged run: its writers, their lines, and what of a line still names something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from runfolio import codec, layout, manifest
from runfolio.codec import BadLine
from runfolio.errors import FormatError
from runfolio.journal import Tail
from runfolio.records import Header, Manifest, Part, Result, Snapshot, converted
from runfolio.run import Run

if TYPE_CHECKING:
    from pathlib import Path


class Line(Struct, frozen=True):
    """A sound line as it is spelled, its record, and the name of the journal that it is in."""

    seq: int
    file: str
    record: Any
    text: bytes


class Salvage:
    """What there is of a run. `manifest` is None if it is damaged, or of another run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.manifest = _manifest(run)
        identity = _identity(run, self.manifest)
        if self.manifest is not None and self.manifest.run_id != identity:
            self.manifest = None
        found = {name: _header(stream) for name, stream in run._history.timeline.streams.items()}
        own = {name: one for name, one in found.items() if one is None or (one.run_id, one.writer) == (identity, name)}
        self.headers = [header for header in own.values() if header is not None]
        chain = run._history.timeline.chain
        self.writers = sorted(own, key=lambda name: (len(chain(name)), name))
        """The writers of the run, each behind the one that it goes on for; those of other runs left out."""

    def lines(self, writer: str) -> list[Line]:
        """The intact lines of a writer in the order of `seq`; of two with the same the first, as readers take them."""
        found = [line for name, tail in self.run._history.tails() if name == writer for line in _sound(tail.path)]
        taken: list[Line] = []
        for line in sorted(found, key=lambda line: line.seq):
            if line.seq > (taken[-1].seq if taken else 0):
                taken.append(line)
        return taken


def metadata_of(text: bytes, record: Snapshot[Any], known: Mapping[str, Any]) -> bytes:
    """The metadata of a snapshot, as they are spelled, without schemas that are lost."""
    fields = codec.fields_of(text)
    for side in ("schema_before", "schema_after"):
        refs = zip(codec.items_of(fields[side]), getattr(record.metadata, side), strict=True)
        fields[side] = codec.array_of([spelled for spelled, ref in refs if ref.schema_id in known])
    return codec.object_of(fields)


def parts_of(text: bytes, record: Result, known: Mapping[str, Any], there: Collection[Part]) -> list[bytes]:
    """The parts of a result whose files are there, as they are spelled, without schemas that are lost."""
    parts = []
    for spelled, part in zip(codec.items_of(text), record.parts, strict=True):
        lost = part.schema_id is not None and part.schema_id not in known
        if part in there:
            parts.append(codec.object_of({**codec.fields_of(spelled), "schema_id": b"null"}) if lost else spelled)
    return parts


def _manifest(run: Run) -> Manifest | None:
    try:
        return manifest.read(run._history.folder)
    except FormatError:
        return None


def _identity(run: Run, found: Manifest | None) -> str | None:
    """The id of the run, by most of those that name it: somebody may have put files of another one there."""
    headers = (converted(event.context, Header) for event in run.events if event.type == "segment")
    named = [*(header.run_id for header in headers if header), *([found.run_id] if found else [])]
    return Counter(named).most_common(1)[0][0] if named else None


def _header(stream: Mapping[str, Any]) -> Header | None:
    first = next((event for event in stream.get("event", ()) if event.type == "segment"), None)
    return None if first is None else converted(first.context, Header)


def _sound(path: Path) -> list[Line]:
    parsed = layout.parse_journal_name(path.name)
    assert parsed is not None
    found = []
    try:
        for lines in Tail(path).read():
            for text in lines.lines:
                try:
                    record = codec.decode(parsed[0], text)
                except BadLine:
                    continue
                found.append(Line(record.seq, path.name, record, text))
    except (OSError, FormatError):  # it is no file, or the disk gives no more of it
        pass
    return found
