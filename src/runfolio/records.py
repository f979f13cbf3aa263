"""The records of a run: what one line of each journal holds.

All are frozen msgspec Structs that also answer `record["field"]`. The order of the fields here is their order on disk,
after `kind`; the codec adds `crc` as the last. The JSON Schemas in the top-level folder `schemas/` are generated from
these types.

>>> from datetime import datetime, timezone
>>> event = Event(seq=1, event_id="event-000001", timestamp=datetime(2026, 11, 22, tzinfo=timezone.utc), type="log",
...               message="half way")
>>> event["message"], event.message
('half way', 'half way')
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from msgspec import Meta, Struct, ValidationError, convert

from runfolio.errors import NotFoundError
from runfolio.escapes import neutral
from runfolio.field import ChangeType, Field, Statistics, described
from runfolio.schema import Schema, Schemas

T = TypeVar("T")

State = Literal["not_started", "in_progress", "completed", "failed", "interrupted"]
EventType = Literal[
    "segment",
    "state",
    "step",
    "progress",
    "log",
    "restore",
    "config",
    "input",
    "lost",
    "repair",
    "amend",
    "redact",
    "prune",
]
Outcome = Literal["completed", "failed"]
Format = Literal["parquet", "json"]
MAX_PLANNED = 1_000_000
"""So many steps the paths of a plan have together: those of one step behind the other grow with the square of it."""

Time = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Subscriptable(Struct, frozen=True):
    """A frozen Struct that answers `record["field"]` and `dict(record)` too."""

    def __getitem__(self, name: str) -> Any:
        if name in self.__struct_fields__:
            return getattr(self, name)
        raise NotFoundError(
            f"a {type(self).__name__} has no field {name!r}",
            remedy=f"its fields are {', '.join(self.__struct_fields__)}",
            key=name,
        )

    def keys(self) -> tuple[str, ...]:
        """The names of the fields, in their order on disk."""
        return self.__struct_fields__


class Record(Subscriptable, frozen=True, kw_only=True, tag_field="kind"):
    """One line of a journal; `seq` counts the lines of one writer over all its journals, from 1."""

    seq: Count


class SchemaRef(Struct, frozen=True):
    """On disk, the schema of one part of the data; data of one part has one part without a name."""

    part: str | None
    schema_id: str


class SchemaRefs(Struct, frozen=True):
    """On disk, the metadata of a snapshot: references to lines of the schemas' journal."""

    schema_before: list[SchemaRef]
    schema_after: list[SchemaRef]


class Metadata(Subscriptable, frozen=True):
    """In Python, the metadata of a snapshot: a Schema, a dict of them for data of several parts, or None."""

    schema_before: Schemas
    schema_after: Schemas


M = TypeVar("M", SchemaRefs, Metadata)


class Snapshot(Record, Generic[M], frozen=True, kw_only=True, tag="snapshot"):
    """The state at one point of a run: before and after each module, and where the run's own state changes.

    `context.point` tells which of `start`, `before`, `after`, `completed` and `failed` it is (`manual` where it was
    recorded by hand), and `context.path` the step's experiment path. Rows are those of all parts together.
    """

    snapshot_id: str
    timestamp: Time
    module_name: str | None
    experiment_name: str | None
    metadata: M
    rows_before: Count | None
    rows_after: Count | None
    context: dict[str, Any]


class Description(Subscriptable, frozen=True, kw_only=True):
    """One side of a change: the field as it was or became, the rows of the table, or in `value` a text set by hand."""

    name: str | None = None
    dtype: str | None = None
    nullable: bool | None = None
    nulls: int | None = None
    statistics: Statistics | None = None
    rows: Count | None = None
    value: str | None = None

    @classmethod
    def of(cls, found: Field | int | None) -> Description | None:
        """The description of a field, that of a table with so many rows, None of none."""
        if found is None:
            return None
        if isinstance(found, int):
            return cls(rows=found)
        return cls(
            name=found.name,
            dtype=found.dtype,
            nullable=found.nullable,
            nulls=found.nulls,
            statistics=found.statistics,
        )

    def __str__(self) -> str:
        if self.rows is not None:
            return f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        if self.value is not None or self.dtype is None:
            return self.value or ""
        return described(self.dtype, self.nulls, self.statistics)


class Change(Record, frozen=True, kw_only=True, tag="change"):
    """One change of the schema: `target` is a column's name, `part` the part of the data where there are several.

    The target `*` is the table as a whole, `before` and `after` its numbers of rows. `details` of a column that was
    renamed hold `renamed_to` or `renamed_from`; those of the table `added`, `dropped` and `reordered` rows where the
    index tells them, and `columns_reordered`.

    `snapshot_id` is that of the step's after-snapshot; a change whose snapshot does not exist belongs to a step that
    did not finish.
    """

    change_id: str
    timestamp: Time
    type: ChangeType
    target: str
    part: str | None
    before: Description | None
    after: Description | None
    module_name: str | None
    experiment_name: str | None
    snapshot_id: str | None
    details: dict[str, Any]


class Timing(Record, frozen=True, kw_only=True, tag="timing"):
    """One finished timing: wall-clock start and end in UTC, and the duration by a monotonic clock, in seconds.

    The duration leaves out the time that recording took. `cpu_seconds` is the processor time of the whole process,
    null where a timing was recorded by hand. `parent_id` is the record_id of the step that it was timed in.
    """

    record_id: str
    module_name: str
    experiment_name: str
    step_name: str
    start_time: Time
    end_time: Time
    duration_seconds: float
    cpu_seconds: float | None
    outcome: str
    parent_id: str | None
    context: dict[str, Any]


class PathStep(Subscriptable, frozen=True):
    """One step of an experiment path."""

    module_name: str
    experiment_name: str


Path = tuple[PathStep, ...]


class Part(Subscriptable, frozen=True, kw_only=True):
    """One part of a result: its file in the run folder, with form, size and SHA-256, and its schema.

    `name` is null for data of one part, else a JSON Pointer (RFC 6901) without its first `/`: the keys of nested dicts.
    Rows, columns and schema_id are null for a JSON report. `type` is what comes back: `pandas.DataFrame`,
    `pandas.Series`, `pyarrow.Table`, `pyarrow.RecordBatch`, `polars.DataFrame`, `batches of` one of these, or `report`.

    `withheld` says why the data is not in the folder though nothing is missing: `schema` where it was never written,
    `redacted` where it was removed later, `pruned` where that was to free its space. `file`, `bytes` and `sha256` are
    null then, and only then.
    """

    name: str | None
    file: str | None
    format: Format
    rows: Count | None
    columns: Count | None
    bytes: Count | None
    sha256: str | None
    schema_id: str | None
    type: str = "pandas.DataFrame"
    withheld: str | None = None

    def __post_init__(self) -> None:
        if {found is None for found in (self.file, self.bytes, self.sha256)} != {self.withheld is not None}:
            raise ValueError("a part has `file`, `bytes` and `sha256`, or it is `withheld`")


class Result(Record, frozen=True, kw_only=True, tag="result"):
    """One stored result: the commit record of its files, under the key of its experiment path."""

    key: str
    path: Path
    parts: Annotated[list[Part], Meta(min_length=1)]
    timestamp: Time


class Event(Record, frozen=True, kw_only=True, tag="event"):
    """What else happened; which fields are set goes by `type`. Later versions may have further types.

    =========  =====================================================================================================
    segment    the first line of every writer: `context` is a `Header`
    state      `state`; for a failed run `message`, and in `context` the error's type and traceback; for one that
               begins or is resumed, in `context` its `Provenance`
    step       a step began: `record_id` will be its timing's, `parent_id` its outer step's, `context.path` its path
    progress   `done` of `total` `unit`, of the step of that `record_id`
    log        `level` and `message`
    restore    the state went back to that of `snapshot_id`
    config     the pipeline of `config.yaml` begins or goes on: `context` is a `Configured`
    input      a step reads a file: `context` is an `Input`
    lost       records could not be written before this one: `message` says why, `context` is a `Lost`
    repair     the run was made anew of what was intact of another: `context` is a `Repair`
    amend      the run was renamed, tagged or given a note: `context` is an `Amendment`
    redact     data was removed from the run for good: `context` is a `Redaction`
    =========  =====================================================================================================
    """

    event_id: str
    timestamp: Time
    type: str
    module_name: str | None = None
    experiment_name: str | None = None
    step_name: str | None = None
    record_id: str | None = None
    parent_id: str | None = None
    state: State | None = None
    done: float | None = None
    total: float | None = None
    unit: str | None = None
    level: str | None = None
    message: str | None = None
    snapshot_id: str | None = None
    context: dict[str, Any] = {}


class Opaque(Subscriptable, frozen=True, kw_only=True):
    """A line of a kind that this version does not know, kept as it is."""

    seq: Count
    kind: str
    fields: dict[str, Any]


if TYPE_CHECKING:
    LineType = Snapshot[SchemaRefs] | Change | Timing | Result | Schema | Event
    """A record as a line of a journal holds it."""


class SegmentFile(Struct, frozen=True):
    """How long one journal was when its writer left it."""

    file: str
    lines: Count
    bytes: Count


class Input(Struct, frozen=True, kw_only=True):
    """The `context` of an event of type `input`: a file as it was when a step read it, named as the step names it."""

    path: str
    bytes: Count
    sha256: str


class Version(Struct, frozen=True):
    """A package, or `python` itself, and its version."""

    name: str
    version: str


class Repository(Subscriptable, frozen=True, kw_only=True):
    """The git commit that code was of; `branch` is null where none is checked out.

    `dirty` tells whether files that git knows differed from the commit; null where git took too long to tell.
    """

    commit: str
    branch: str | None
    dirty: bool | None

    def __str__(self) -> str:
        branch = "" if self.branch is None else f" on {self.branch}"
        state = "perhaps changed since" if self.dirty is None else "changed since" if self.dirty else "unchanged"
        return f"{self.commit[:12]}{branch}, {state}"


class Seed(Subscriptable, frozen=True):
    """What random numbers were begun with, as text, by the name of the parameter that it was given as."""

    name: str
    value: str


class Configuration(Subscriptable, frozen=True):
    """The configuration of a pipeline: `copy` in the run folder, the name of the `file` it was given as, its digest."""

    copy: str
    file: str | None
    sha256: str


class Provenance(Subscriptable, frozen=True, kw_only=True):
    """What is needed to repeat a run, as of its last attempt; of inputs, as of all.

    `command` has the words of the command line without secrets, `folder` is the current folder, relative to that of the
    run. `packages` are Python and the distributions that were imported, `inputs` the files that steps read, each as it
    was when it was read last. What is not known is null, or empty.
    """

    command: list[str] = []
    folder: str | None = None
    packages: list[Version] = []
    git: Repository | None = None
    seeds: list[Seed] = []
    configuration: Configuration | None = None
    inputs: list[Input] = []


class Planned(Struct, frozen=True):
    """A step to come, the place in the plan, from 0, of the one that it follows, and a digest of what it declares."""

    module_name: str
    experiment_name: str
    parent: Count | None
    sha256: str


class Configured(Struct, frozen=True, kw_only=True):
    """The `context` of an event of type `config`: what a pipeline goes by, from here on.

    `copy` is the file in the run folder that has it without secrets, `file` the name of the one that it was given as,
    and `base` the folder that its paths start from, relative to the run folder. `sha256` is a digest of all that it
    declares but its section `Run`; `is_whole` tells whether the copy says all that was given, so that the run can be
    resumed by it. `seeds` are those among the parameters, by their places. `engine` is what ran
    it, with its version, where that was not runfolio's own Executor.
    """

    copy: str
    file: str | None
    base: str
    sha256: str
    is_whole: bool
    on_error: str
    versions: list[Version]
    plan: list[Planned]
    seeds: list[Seed] = []
    engine: str | None = None

    @property
    def paths(self) -> list[Path]:
        """The experiment path of each step of the plan; of one that no pipeline has, as far as memory takes it."""
        found: list[Path] = []
        steps = 0
        for step in self.plan:
            before = found[step.parent] if step.parent is not None and step.parent < len(found) else ()
            steps += len(before) + 1
            if steps > MAX_PLANNED:
                break
            found.append((*before, PathStep(step.module_name, step.experiment_name)))
        return found


class Lost(Struct, frozen=True, kw_only=True):
    """The `context` of an event of type `lost`: how much the run went on without, and the error it began with."""

    records: Count
    results: Count
    error: str
    errno: int | None


class Finding(Struct, frozen=True, kw_only=True):
    """Something in a run folder that is not as a writer left it; `line` counts from 1, `byte` from 0."""

    file: str
    line: Count | None = None
    byte: Count | None = None
    reason: str

    def __str__(self) -> str:
        line = "" if self.line is None else f", line {self.line}"
        byte = "" if self.byte is None else f", byte {self.byte}"
        return neutral(f"{self.file}{line}{byte}: {self.reason}")


class Repair(Struct, frozen=True, kw_only=True):
    """The `context` of an event of type `repair`: which run was repaired, and what was wrong with it.

    `findings` are the first of them, `count` is how many there were; `left_out` are the first of the files of results
    that are lost, `files` is how many there are, and `lines` counts the lines of results that went with them.
    """

    run_id: str
    count: Count
    findings: list[Finding]
    left_out: list[str]
    files: Count
    lines: Count


class Amendment(Struct, frozen=True, kw_only=True):
    """The `context` of an event of type `amend`: what is amended, of which there is just one.

    `name` is the run's new name, null where that stays; `tags` are added and `untagged` taken away; `note` is a text.
    """

    name: str | None = None
    tags: list[str] = []
    untagged: list[str] = []
    note: str | None = None

    def __str__(self) -> str:
        if self.note is not None:
            return self.note
        if self.name is not None:
            return f"renamed to {self.name}"
        told = [
            f"{word} {', '.join(tags)}" for word, tags in (("tagged", self.tags), ("untagged", self.untagged)) if tags
        ]
        return ", ".join(told)


class Note(Subscriptable, frozen=True, kw_only=True):
    """A text that was added to a run, and when."""

    timestamp: Time
    text: str


class Redaction(Struct, frozen=True, kw_only=True):
    """The `context` of an event of type `redact`: of which modules data was removed, and what.

    `results` counts the parts of results that are withheld since, `files` and `bytes` the files that went, `schemas`
    the schemas of which something was taken out, and `errors` the lines with messages of errors.
    """

    modules: list[str]
    results: Count
    files: Count
    bytes: Count
    schemas: Count
    errors: Count


class Pruned(Struct, frozen=True, kw_only=True):
    """The `context` of an event of type `prune`: the data of results that was removed.

    `results` counts the parts of results that are withheld since, `files` and `bytes` the files that went.
    """

    results: Count
    files: Count
    bytes: Count


class Continued(Struct, frozen=True):
    """Which writer a segment goes on for, and where it left that one's files."""

    writer: str
    files: list[SegmentFile]


class Recorded(Struct, frozen=True):
    """What is recorded of one module's data, where it has words of its own."""

    module_name: str
    results: str
    profile: str


class Header(Struct, frozen=True, kw_only=True):
    """The `context` of a writer's first line: which run this is and who writes.

    `results` and `profile` say what is recorded of the data of the modules that `modules` does not name.
    """

    format_version: int
    run_id: str
    name: str | None
    sequence: list[str]
    tags: list[str]
    results: str = "full"
    profile: str
    modules: list[Recorded] = []
    durability: str
    writer: str
    host: str
    boot_id: str
    pid: int
    runfolio: str
    python: str
    continues: Continued | None


class Failure(Struct, frozen=True, kw_only=True):
    """Why a run failed."""

    type: str
    message: str
    traceback: str
    module_name: str | None
    experiment_name: str | None


class Totals(Struct, frozen=True, kw_only=True):
    """How many records there are of each kind, how many steps, and the bytes of journals and results together.

    `rows_in` are the rows that the first step with a table got, or gave if it got none; `rows_out` those that the last
    one gave; null where no step had a table.
    """

    snapshots: Count = 0
    changes: Count = 0
    timings: Count = 0
    results: Count = 0
    schemas: Count = 0
    events: Count = 0
    steps: Count = 0
    bytes: Count = 0
    rows_in: Count | None = None
    rows_out: Count | None = None


class Segment(Struct, frozen=True):
    """The journals of one writer."""

    writer: str
    files: list[SegmentFile]


class Manifest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="run"):
    """`run.json`: which run this is, how it ended and what it amounts to. A cache: the journals are the truth.

    `segments` and `totals` are as of `end_time`, and empty while the run goes on; `lost` counts what could not be
    written. `provenance` has the first 100 inputs.
    """

    format_version: int
    run_id: str
    name: str | None
    tags: list[str]
    sequence: list[str]
    state: State
    start_time: Time
    end_time: Time | None
    duration_seconds: float | None
    host: str
    runfolio: str
    python: str
    error: Failure | None
    lost: Count
    totals: Totals
    segments: list[Segment]
    provenance: Provenance | None = None


def converted(context: Any, kind: type[T]) -> T | None:
    """What a context holds as one of the format's own types; None where another writer put something else there."""
    try:
        return convert(context, kind)
    except ValidationError:
        return None


def briefly(findings: Sequence[Finding]) -> str:
    """The first of some findings, and how many more there are; empty for none.

    >>> briefly([Finding(file="run.json", reason="it is missing"), Finding(file="main.lock", reason="it is a pipe")])
    'run.json: it is missing, and 1 more'
    """
    if not findings:
        return ""
    return f"{findings[0]}, and {len(findings) - 1:,} more" if len(findings) > 1 else str(findings[0])
