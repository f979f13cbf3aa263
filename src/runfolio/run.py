"""load_run: a run folder, whoever wrote it and wherever it lies, as the getters alone."""

from __future__ import annotations

import os
import time
import warnings
from contextlib import suppress
from os import PathLike
from typing import TYPE_CHECKING, Any

from runfolio import layout, manifest
from runfolio import root as roots
from runfolio.clashes import hidden
from runfolio.errors import DamageError, DamageWarning, FormatError, RunfolioError
from runfolio.files import TRANSIENT, is_there, journals, locks, result_files, unreadable
from runfolio.history import History
from runfolio.limits import MAX_FINDINGS
from runfolio.lock import Life, probe
from runfolio.records import Event, Finding, Header, Lost, Manifest, SegmentFile, briefly, converted
from runfolio.timeline import Timeline
from runfolio.view import RunView

if TYPE_CHECKING:
    from pathlib import Path


_ENDED = ("completed", "failed")


def load_run(run: str | PathLike[str], *, root: str | PathLike[str] | None = None) -> Run:
    """Load a run, ended or live, as of now.

    `run` is a path, a run id, a unique prefix of one, or `"latest"`; ids are looked up under `root` (by default the
    environment variable RUNFOLIO_RUNS, else `runs`).

    Warns once with DamageWarning if anything is not as it was written; `run.damage` then lists every finding, and what
    is intact is there all the same. Raises NotFoundError, and FormatError for a folder of a newer format or no run.
    """
    loaded = Run(roots.find(run, root))
    found = loaded.damage
    if found:
        warnings.warn(f"{loaded.folder} is damaged: {briefly(found)}; see run.damage", DamageWarning, stacklevel=2)
    return loaded


def lives_of(folder: Path) -> dict[str, Life]:
    """Whether each writer lives that has a lock. Raises FormatError if the folder can't be read."""
    return {writer: probe(path, time.time()) for writer, path in locks(folder)}


def life_of(timeline: Timeline, event: Event | None, lives: dict[str, Life]) -> Life:
    """Whether the writer lives that wrote an event, or one that goes on for it after a write that failed."""
    streams = timeline.streams.items()
    writer = next((name for name, stream in streams if event in stream.get("event", ())), layout.MAIN_WRITER)
    known = [life for name, life in lives.items() if writer in timeline.chain(name)]
    alive = next((life for life in known if life.alive), None)
    return alive or lives.get(writer) or Life(False, "its writer is gone: there is no lock file")


def left_behind(timeline: Timeline) -> list[SegmentFile]:
    """Where journals stood when another segment went on for them."""
    headers = (
        converted(event.context, Header)
        for stream in timeline.streams.values()
        for event in stream.get("event", ())
        if event.type == "segment"
    )
    return [file for header in headers if header and header.continues for file in header.continues.files]


def torn(history: History, timeline: Timeline, lives: dict[str, Life]) -> list[Finding]:
    """Unfinished last lines of writers that are gone: on a live one such a line is not there yet.

    One that another writer left behind, as its header says, is none: it was never acknowledged.
    """
    left = {(file.file, file.bytes) for file in left_behind(timeline)}
    return [
        Finding(
            file=tail.path.name,
            line=tail.lines + 1,
            byte=tail.offset,
            reason=f"torn: {tail.rest} bytes of a last line",
        )
        for writer, tail in history.tails()
        if tail.rest and (tail.path.name, tail.offset) not in left and not (writer in lives and lives[writer].alive)
    ]


class Run(RunView):
    """A run that was loaded: the getters answer as of then, or as of the last `refresh()`. Writing is refused."""

    _history: History

    def __init__(self, folder: Path) -> None:
        super().__init__(History(folder))
        self._lives: dict[str, Life] = {}
        self._missing: list[Finding] = []
        self._own: list[Finding] = []
        self._lengths: dict[str, SegmentFile] = {}
        if not journals(folder) and not is_there(folder, layout.RUN_FILE):
            raise FormatError(
                f"{folder} is no run folder: it has neither records nor {layout.RUN_FILE}",
                remedy="`runfolio ls` lists the runs",
                file=str(folder),
            )
        self.refresh()

    def refresh(self) -> Run:
        """Read what was written since, and look again whether the writer lives. Raises FormatError."""
        with self._mutex:
            found = self._read()
            if self._began_meanwhile(found):
                found = self._read()
            self._check_versions()
            self._lengths = self._told_lengths(found)
            if self.state in _ENDED:  # a lock that the dead left looks young in a copy
                self._lives = {writer: life for writer, life in self._lives.items() if not life.is_presumed}
            self._missing = self._gone()
            own = self._check_manifest(found) + self._cuts() + self._strangers()
            own += torn(self._history, self._history.timeline, self._lives) + self._lost_results()
            self._own = own + self._unwritten() + self._hidden()
        return self

    def _read(self) -> Manifest | RunfolioError:
        """Read the folder on; returns what `run.json` says, or why it says nothing.

        The locks first: a writer that ends in between is then seen ended, never interrupted. The journals last: they
        are then at least as long as `run.json` says, for that is written after them.
        """
        folder = self._history.folder
        self._lives = lives_of(folder)
        found: Manifest | RunfolioError
        try:
            found = manifest.read(folder)
        except RunfolioError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in TRANSIENT:
                raise
            found = error.with_traceback(None)
        self._history.refresh()
        return found

    def _began_meanwhile(self, found: Manifest | RunfolioError) -> bool:
        """Whether a writer, or the run, began after its lock, or `run.json`, was looked for."""
        unasked = (writer for writer in self._history.timeline.streams if writer not in self._lives)
        paths = (self._history.folder / layout.lock_name(writer) for writer in unasked)
        return isinstance(found, RunfolioError) or any(os.path.lexists(path) for path in paths)

    @property
    def damage(self) -> list[Finding]:
        """Every finding of something that is not as it was written, by file, line and byte; empty for a sound run."""
        return [*self._missing, *self._history.findings, *self._own]

    def _life(self) -> Life:
        return life_of(self._history.timeline, self._state_event(), self._lives)

    def _check_versions(self) -> None:
        for event in self._events("segment"):
            version = event.context.get("format_version")
            manifest.check_version(version if isinstance(version, int) else None, self._history.folder)

    def _check_manifest(self, found: Manifest | RunfolioError) -> list[Finding]:
        """What `run.json` has to say against the journals."""
        ended = self.state in _ENDED
        alive = any(life.alive for life in self._lives.values())
        if isinstance(found, DamageError):
            return [Finding(file=layout.RUN_FILE, reason=str(found.__cause__))]
        if isinstance(found, RunfolioError):
            if found.key == manifest.VERSION:
                raise found
            there = not isinstance(found.__cause__, FileNotFoundError)
            finding = Finding(file=layout.RUN_FILE, reason=found.what if there else "it is missing")
            return [finding] if there or ended or not alive else []
        stale = ended and found.state == "in_progress" and not alive
        reason = "it does not know that the run has ended: its writer was stopped, or failed, just then"
        findings = [Finding(file=layout.RUN_FILE, reason=reason)] if stale else []
        if self.run_id not in (None, found.run_id):
            findings.append(Finding(file=layout.RUN_FILE, reason=f"it is of another run, {found.run_id}"))
        return findings

    def _strangers(self) -> list[Finding]:
        """Journals that another writer, or one of another run, began: somebody put them there."""
        findings = []
        for writer, stream in self._history.timeline.streams.items():
            header = next((one.context for one in stream.get("event", ()) if one.type == "segment"), None)
            found = None if header is None else converted(header, Header)
            if found and (found.run_id, found.writer) != (self.run_id, writer):
                file = layout.journal_name("event", writer)
                reason = f"it is of writer {found.writer} of the run {found.run_id}"
                findings.append(Finding(file=file, line=1, byte=0, reason=reason))
        return findings

    def _told_lengths(self, found: Manifest | RunfolioError) -> dict[str, SegmentFile]:
        """How long each journal was at the run's end, or when another segment went on for its writer."""
        segments = found.segments if isinstance(found, Manifest) else []
        told: dict[str, SegmentFile] = {}
        for file in (*(file for segment in segments for file in segment.files), *left_behind(self._history.timeline)):
            if file.file not in told or told[file.file].bytes < file.bytes:
                told[file.file] = file
        return told

    def _gone(self) -> list[Finding]:
        """Journals that are not there: told first, for what is missed in others comes of that."""
        there = {tail.path.name for _, tail in self._history.tails()}
        return [
            Finding(file=file.file, reason=f"it is missing, with {file.lines} lines and {file.bytes} bytes")
            for file in self._lengths.values()
            if file.file not in there
        ]

    def _cuts(self) -> list[Finding]:
        """Where journals are shorter than they were."""
        tails = {tail.path.name: tail for _, tail in self._history.tails()}
        findings = []
        for file in self._lengths.values():
            tail = tails.get(file.file)
            if tail is not None and (size := tail.offset + tail.rest) < file.bytes:
                lines = tail.lines
                reason = f"cut: {lines} lines and {size} bytes of {file.lines} and {file.bytes} are left"
                findings.append(Finding(file=file.file, line=lines + 1, byte=size, reason=reason))
        return findings

    def left_by(self, writer: str) -> list[SegmentFile]:
        """Where a writer left its journals; and any that is shorter than it was, so that this is not forgotten."""
        found = {tail.path.name: (name, tail) for name, tail in self._history.tails()}
        left = {
            file: SegmentFile(file, tail.lines, tail.offset) for file, (name, tail) in found.items() if name == writer
        }
        for file, told in self._lengths.items():
            if file not in found or found[file][1].offset < told.bytes:
                left[file] = told
        return list(left.values())

    def _lost_results(self) -> list[Finding]:
        """Result files that are gone or of another size than their line says; digests are checked on reading data."""
        try:
            sizes = dict(result_files(self._history.folder))
            is_link = (self._history.folder / layout.RESULTS_FOLDER).is_symlink()
        except OSError as error:
            if error.errno in TRANSIENT:
                raise unreadable(error, self._history.folder) from error
            return [Finding(file=layout.RESULTS_FOLDER, reason=f"it can't be read: {error.strerror}")]
        reason = "it is a symbolic link, and no folder"
        findings = [Finding(file=layout.RESULTS_FOLDER, reason=reason)] if is_link else []
        for part in (part for result in self.result_records for part in result.parts):
            if part.file is None:  # it was left out, and is not missing
                continue
            size = sizes.get(part.file)
            if size != part.bytes:
                reason = "it is missing" if size is None else f"it has {size} bytes, and was written with {part.bytes}"
                findings.append(Finding(file=part.file, reason=reason))
        return findings

    def _unwritten(self) -> list[Finding]:
        """What the run went on without; what was lost before a repair is told of by that."""
        writers = self._history.timeline.streams.items()
        findings: list[Finding] = []
        for event in self._events("lost", "repair"):
            if event.type == "repair":
                findings = []
                continue
            lost = converted(event.context, Lost)
            writer = next((name for name, stream in writers if event in stream.get("event", ())), layout.MAIN_WRITER)
            count = f"{lost.records + lost.results:,}" if lost else "some"
            noun = "record" if count == "1" else "records"
            reason = f"the run went on without {count} {noun} before seq {event.seq}: {event.message}"
            findings.append(Finding(file=layout.journal_name("event", writer), reason=reason))
        return findings

    def _hidden(self) -> list[Finding]:
        """Results that are not given, for another process stored one under their key."""
        return [
            Finding(
                file=layout.journal_name("result", writer),
                reason=f"the result {result.key!r} of seq {result.seq} is not given: another process used its key",
            )
            for writer, result in hidden(self._history.timeline)[:MAX_FINDINGS]
        ]

    def _after_fork(self) -> None:
        """Begin anew if another thread was just reading: what it had read and not given is nowhere."""
        is_read, old = self._mutex.acquire(blocking=False), self._history
        super()._after_fork()
        if not is_read:
            self._history = History(old.folder)
            with suppress(FormatError):
                self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        return load_run, (str(self._history.folder.absolute()),)
