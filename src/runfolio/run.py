"""load_run: a run folder, whoever wrote it and wherever it lies, as the getters alone."""

from __future__ import annotations

import os
import time
import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any

from runfolio import layout, manifest
from runfolio import root as roots
from runfolio.errors import DamageError, DamageWarning, FormatError, RunfolioError
from runfolio.files import journals, locks, result_files
from runfolio.history import History
from runfolio.lock import Life, probe
from runfolio.records import Event, Finding, Header, Lost, Manifest, SegmentFile
from runfolio.timeline import Timeline
from runfolio.view import RunView, converted

if TYPE_CHECKING:
    from pathlib import Path


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
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        warnings.warn(f"{loaded.folder} is damaged: {found[0]}{more}; see run.damage", DamageWarning, stacklevel=2)
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


class Run(RunView):
    """A run that was loaded: the getters answer as of then, or as of the last `refresh()`. Writing is refused."""

    _history: History

    def __init__(self, folder: Path) -> None:
        super().__init__(History(folder))
        self._lives: dict[str, Life] = {}
        self._own: list[Finding] = []
        if not journals(folder) and not os.path.exists(folder / layout.RUN_FILE):  # noqa: PTH110  (never raises)
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
            own = self._check_manifest(found) + self._strangers() + self._torn() + self._lost_results()
            self._own = own + self._unwritten()
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
        return [*self._history.findings, *self._own]

    def _life(self) -> Life:
        return life_of(self._history.timeline, self._state_event(), self._lives)

    def _check_versions(self) -> None:
        for event in self._events("segment"):
            version = event.context.get("format_version")
            manifest.check_version(version if isinstance(version, int) else None, self._history.folder)

    def _check_manifest(self, found: Manifest | RunfolioError) -> list[Finding]:
        """What `run.json` has to say against the journals."""
        ended = self.state in ("completed", "failed")
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
        return [*findings, *self._cuts(found)]

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

    def _cuts(self, found: Manifest) -> list[Finding]:
        """Where journals are shorter than they were at the run's end, or when another segment went on for theirs."""
        tails = {tail.path.name: tail for _, tail in self._history.tails()}
        findings = []
        for file in (*(file for segment in found.segments for file in segment.files), *self._left()):
            tail = tails.get(file.file)
            lines, size = (tail.lines, tail.offset + tail.rest) if tail else (0, 0)
            if size < file.bytes:
                gone = "it is missing: " if tail is None else ""
                reason = f"{gone}cut: {lines} lines and {size} bytes of {file.lines} and {file.bytes} are left"
                findings.append(Finding(file=file.file, line=lines + 1, byte=size, reason=reason))
        return findings

    def _left(self) -> list[SegmentFile]:
        """Where journals stood when another segment went on for them."""
        headers = (converted(event.context, Header) for event in self._events("segment"))
        return [file for header in headers if header and header.continues for file in header.continues.files]

    def _torn(self) -> list[Finding]:
        """Unfinished last lines of writers that are gone: on a live one such a line is not there yet.

        One that another writer left behind, as its header says, is none: it was never acknowledged.
        """
        left = {(file.file, file.bytes) for file in self._left()}
        return [
            Finding(
                file=tail.path.name,
                line=tail.lines + 1,
                byte=tail.offset,
                reason=f"torn: {tail.rest} bytes of a last line",
            )
            for writer, tail in self._history.tails()
            if tail.rest
            and (tail.path.name, tail.offset) not in left
            and not (writer in self._lives and self._lives[writer].alive)
        ]

    def _lost_results(self) -> list[Finding]:
        """Result files that are gone or of another size than their line says; digests are checked on reading data."""
        try:
            sizes = dict(result_files(self._history.folder))
            is_link = (self._history.folder / layout.RESULTS_FOLDER).is_symlink()
        except OSError as error:
            return [Finding(file=layout.RESULTS_FOLDER, reason=f"it can't be read: {error.strerror}")]
        reason = "it is a symbolic link, and no folder"
        findings = [Finding(file=layout.RESULTS_FOLDER, reason=reason)] if is_link else []
        for part in (part for result in self.result_records for part in result.parts):
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
            reason = f"the run went on without {count} records before seq {event.seq}: {event.message}"
            findings.append(Finding(file=layout.journal_name("event", writer), reason=reason))
        return findings

    def __reduce__(self) -> tuple[Any, ...]:
        return load_run, (str(self._history.folder.absolute()),)
