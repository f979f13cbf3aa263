"""verify: everything that can be checked in a run folder, without writing to it.

A finding is damage: something is not as a writer left it. A note is something that is unusual and harms nothing, such
as what a killed process leaves. What a live run may look like at an instant is neither.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from os import PathLike
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING

from msgspec import Raw, Struct, json

from runfolio import layout, manifest, references
from runfolio import root as roots
from runfolio.errors import FormatError, TooLargeError
from runfolio.files import TRANSIENT, first_hole, is_there, modes, open_within, result_files, sha256_of, unreadable
from runfolio.limits import MAX_FINDINGS, MAX_REPORT
from runfolio.records import Finding, Part, State
from runfolio.run import Run

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.tables.shapes import Shape


class Verification(Struct, frozen=True, kw_only=True):
    """What verifying a run found: `findings` are damage, `notes` harm nothing; at most 1,000 of each are kept.

    `lines` were read with their checksums, `files` with their digests or contents; `bytes` is the size of both.
    """

    run_id: str
    folder: str
    state: State
    findings: list[Finding]
    notes: list[Finding]
    lines: int
    files: int
    bytes: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged."""
        return not self.findings


def verify(run: str | PathLike[str], *, root: str | PathLike[str] | None = None) -> Verification:
    """Check a run, ended or live, and change nothing: every line, every digest, what records name, what is there.

    `run` and `root` are as for `load_run`. Of tables the footers are read alone. Raises NotFoundError, and FormatError
    for a folder of a newer format, or of no run.

    >>> from runfolio import Status
    >>> with Status(root=root) as status:
    ...     status.log("nothing to do")["level"]
    'info'
    >>> verify(status.folder).findings
    []
    """
    return check(Run(roots.find(run, root)))


def check(run: Run, *, results: bool = True) -> Verification:
    """The same for a run that was loaded; without `results` the contents of their files are not read.

    Raises FormatError if this process can open no more files.
    """
    try:
        return _Check(run, results=results).verification()
    except OSError as error:
        raise unreadable(error, run._history.folder) from error


def is_alive(run: Run) -> bool:
    """Whether any process writes to the run."""
    return any(life.alive for life in run._lives.values())


def content_problem(folder: Path, part: Part) -> str | None:
    """Why a file whose digest is right does not hold what its commit line says; None if it does, or is withheld."""
    if part.file is None:
        return None
    if part.format == "json":
        return _report_problem(folder, part.file)
    return _table_problem(folder, part.file, part)[0]


def _table_problem(folder: Path, file: str, part: Part) -> tuple[str | None, Shape | None]:
    """The same for a table, and its shape if that is the line's and may be asked."""
    from runfolio.tables.shapes import shape_of  # noqa: PLC0415  (loads pyarrow)

    try:
        shape = shape_of(folder, file)
    except TooLargeError:  # nobody may read it here; by its digest it is what was written
        return None, None
    except FormatError as error:
        return error.what, None
    if (shape.rows, shape.columns) == (part.rows, part.columns):
        return None, shape
    told = f"it has {shape.rows} rows and {shape.columns} columns, and {part.rows} and {part.columns} by its line"
    return told, None


def _report_problem(folder: Path, file: str) -> str | None:
    try:
        with os.fdopen(open_within(folder, file), "rb") as opened:
            data = opened.read(MAX_REPORT + 1)
        if len(data) <= MAX_REPORT:
            json.decode(data, type=Raw)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno in TRANSIENT:
            raise
        return f"it is no JSON report: {error}"
    return None


class _Check:
    """One check of one run."""

    def __init__(self, run: Run, *, results: bool) -> None:
        self._run = run
        self._folder = run._history.folder
        self._alive = is_alive(run)
        self._has_results = results and S_ISDIR(dict(_entries(self._folder)).get(layout.RESULTS_FOLDER, 0))
        self._findings: dict[Finding, None] = {}
        self._notes: dict[Finding, None] = {}
        self._digests: dict[str, str] = {}
        self._bytes = 0

    def verification(self) -> Verification:
        """What was found."""
        run = self._run
        self._find(run.damage)
        self._check_references()
        self._check_folder()
        self._check_results()
        self._check_naming()
        self._check_sums()
        tails = [tail for _, tail in run._history.tails()]
        unread = [tail for tail in tails if tail.path.name not in self._digests]
        return Verification(
            run_id=run.run_id or self._folder.name,
            folder=str(self._folder),
            state=run.state,
            findings=list(self._findings),
            notes=list(self._notes),
            lines=sum(tail.lines for tail in tails),
            files=len(self._digests) + len(unread),
            bytes=self._bytes + sum(tail.offset + tail.rest for tail in unread),
        )

    def _find(self, findings: Iterable[Finding]) -> None:
        _keep(self._findings, findings)

    def _note(self, findings: Iterable[Finding]) -> None:
        _keep(self._notes, findings)

    # What records name

    def _check_references(self) -> None:
        found = list(references.dangling(self._run))
        if found and self._alive:  # what another writer wrote since it was read may be named already
            self._run.refresh()
            found = list(references.dangling(self._run))
        # What was lost before a repair is told of by that, and is still named.
        (self._note if self._run._events("repair") else self._find)(found)
        if not self._alive:
            self._note(references.unfinished(self._run))
            self._note(references.unended(self._run))
        opaque = len(self._run.opaque)
        if opaque:
            reason = f"{opaque} lines of a kind that this version does not know"
            self._note([Finding(file=".", reason=reason)])

    # What is there

    def _check_folder(self) -> None:
        for name, mode in _entries(self._folder):
            if name == layout.RESULTS_FOLDER:
                if S_ISDIR(mode):
                    self._check_result_names()
                else:
                    self._find([Finding(file=name, reason=f"it is {_what(mode)}, and no folder")])
            elif layout.is_own(name):
                if not S_ISREG(mode):
                    self._find([Finding(file=name, reason=f"it is {_what(mode)}, and no regular file")])
            elif name.startswith("."):
                self._note_temporary(name)
            else:
                self._note([Finding(file=name, reason=f"it is no part of the run: {_what(mode)}")])

    def _check_result_names(self) -> None:
        committed = {part.file for record in self._run.result_records for part in record.parts}
        for entry, mode in _entries(self._folder / layout.RESULTS_FOLDER):
            name = f"{layout.RESULTS_FOLDER}/{entry}"
            if name in committed:
                if not S_ISREG(mode):
                    self._find([Finding(file=name, reason=f"it is {_what(mode)}, and no regular file")])
            elif entry.startswith("."):
                self._note_temporary(name)
            elif not (layout.is_result_name(name) and S_ISREG(mode)):
                self._note([Finding(file=name, reason=f"it is no part of the run: {_what(mode)}")])
            elif not self._alive:
                self._note([Finding(file=name, reason="it is uncommitted: no line names it")])

    def _note_temporary(self, name: str) -> None:
        if not self._alive:
            self._note([Finding(file=name, reason="it is a temporary file that was left")])

    # What results hold

    def _check_results(self) -> None:
        known = {finding.file for finding in self._findings}
        for record in self._run.result_records if self._has_results else ():
            for part in record.parts:
                file = part.file
                if file is not None and file not in known and layout.is_result_name(file):
                    self._check_part(part, file)

    def _check_part(self, part: Part, file: str) -> None:
        digest = self._digest(file)
        if digest is None:
            return
        if digest != part.sha256:
            self._find([Finding(file=file, reason="it is not what was written: its digest is not the line's")])
            return
        if part.format == "json":
            problem, shape = _report_problem(self._folder, file), None
        else:
            problem, shape = _table_problem(self._folder, file, part)
        if problem is not None:
            self._find([Finding(file=file, reason=problem)])
        schema = self._run._history.schemas.get(part.schema_id or "")
        if shape is not None and schema is not None:  # one of another table is the user's own, and may be of anything
            self._note(Finding(file=file, reason=f"it has {reason}") for reason in shape.differences(schema))

    # What the run says of itself as a whole

    def _check_naming(self) -> None:
        """Whether `run.json` of an ended run has the name and tags that were given last."""
        if self._alive or self._run.state not in ("completed", "failed"):
            return
        with suppress(FormatError):
            found = manifest.read(self._folder)
            if (found.name, found.tags) != (self._run.name, self._run.tags):
                reason = "it is stale: it has not the name and tags that were given last; another amendment mends it"
                self._note([Finding(file=layout.RUN_FILE, reason=reason)])

    def _check_sums(self) -> None:
        """The digests of an ended run; while anyone writes they are about to be written anew."""
        if self._alive:
            return
        try:
            sums, wrong = manifest.read_sums(self._folder)
        except FileNotFoundError:
            if self._run.state in ("completed", "failed"):
                reason = "it is missing: its writer was stopped just then, or it was removed"
                self._find([Finding(file=layout.SUMS_FILE, reason=reason)])
            return
        except (OSError, FormatError) as error:
            self._find([Finding(file=layout.SUMS_FILE, reason=f"it can't be read: {error}")])
            return
        self._find(wrong)
        for name, digest in sums.items():
            if self._has_results or not layout.is_result_name(name):
                self._check_sum(name, digest)
        self._check_unlisted(set(sums))

    def _check_sum(self, name: str, digest: str) -> None:
        if not _is_listed(name):
            reason = f"it lists {name}, which is the name of no file of a run"
            self._find([Finding(file=layout.SUMS_FILE, reason=reason)])
            return
        known = {finding.file for finding in self._findings}
        if not is_there(self._folder, name):
            if name not in known:
                reason = f"it is missing, and {layout.SUMS_FILE} lists it"
                self._find([Finding(file=name, reason=reason)])
            return
        found = self._digest(name)
        if found in (None, digest):
            return
        if self._has_grown(name) and name not in known:
            self._note([Finding(file=name, reason="it grew after the run's end")])
        else:
            self._find([Finding(file=name, reason=f"its digest is not the one in {layout.SUMS_FILE}")])

    def _has_grown(self, name: str) -> bool:
        """Whether a journal is longer than it was at the end: what came later was written later, and is sound."""
        try:
            ended = manifest.read(self._folder)
        except FormatError:
            return False
        lengths = {file.file: file.bytes for segment in ended.segments for file in segment.files}
        tail = next((tail for _, tail in self._run._history.tails() if tail.path.name == name), None)
        return tail is not None and tail.offset > lengths.get(name, tail.offset)

    def _check_unlisted(self, listed: set[str]) -> None:
        names = [name for name, mode in _entries(self._folder) if S_ISREG(mode) and name != layout.SUMS_FILE]
        for name in names:
            if name in listed or not _is_listed(name):
                continue
            finding = Finding(file=name, reason=f"{layout.SUMS_FILE} does not list it")
            journal = layout.parse_journal_name(name) is not None  # a further writer's, who wrote on after the end
            (self._note if journal else self._find)([finding])
        committed = {part.file for record in self._run.result_records for part in record.parts}
        for name, _ in result_files(self._folder) if self._has_results else ():
            if name in committed and name not in listed:
                self._note([Finding(file=name, reason=f"{layout.SUMS_FILE} does not list it")])

    def _digest(self, name: str) -> str | None:
        """The digest of a file, taken once; None if it can't be read, which is a finding."""
        if name not in self._digests:
            try:
                fd = open_within(self._folder, name)
                hole = first_hole(fd) if layout.parse_journal_name(name) else None
                if hole is not None:  # it may be of any size, and no writer leaves one
                    os.close(fd)
                    self._find([Finding(file=name, byte=hole, reason="it has a hole")])
                    return None
                size, self._digests[name] = sha256_of(fd)
            except (OSError, FormatError) as error:
                if isinstance(error, OSError) and error.errno in TRANSIENT:
                    raise
                self._find([Finding(file=name, reason=f"it can't be read: {error}")])
                return None
            self._bytes += size
        return self._digests[name]


def _keep(kept: dict[Finding, None], findings: Iterable[Finding]) -> None:
    for finding in findings:
        if len(kept) >= MAX_FINDINGS:
            return
        kept[finding] = None


def _entries(folder: Path) -> list[tuple[str, int]]:
    """The names in a folder, in order, with the mode of each; none where it can't be read."""
    try:
        return list(modes(folder).items())
    except OSError as error:
        if error.errno in TRANSIENT:
            raise
        return []


def _is_listed(name: str) -> bool:
    """Whether SHA256SUMS lists files of that name."""
    return (
        name == layout.RUN_FILE
        or layout.is_config_name(name)
        or layout.parse_journal_name(name) is not None
        or layout.is_result_name(name)
    )


def _what(mode: int) -> str:
    if S_ISLNK(mode):
        return "a symbolic link"
    if S_ISDIR(mode):
        return "a folder"
    return "a file" if S_ISREG(mode) else "a pipe, socket or device"
