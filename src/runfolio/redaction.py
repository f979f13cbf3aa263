"""redact: what was recorded of some modules' data removed from a run that is there, for good.

Lines change, so that the folder is made anew and takes the old one's place at one instant: see `runfolio.exchange`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

from msgspec import Struct, json, structs

from runfolio import codec, layout
from runfolio import root as roots
from runfolio.amendments import alone
from runfolio.arguments import LEFT_OUT, texts
from runfolio.attempt import refuse_archive
from runfolio.concealment import plain_dtype
from runfolio.errors import NotFoundError, UsageError
from runfolio.exchange import exchange, fit, sweep
from runfolio.field import Field, Statistics
from runfolio.files import result_files, write_error
from runfolio.making import Maker
from runfolio.records import (
    Change,
    Description,
    Event,
    EventType,
    Failure,
    Manifest,
    Part,
    Redaction,
    Result,
    SchemaRef,
    Snapshot,
    Timing,
)
from runfolio.removal import alone_under
from runfolio.run import Run
from runfolio.schema import Schema, Schemas, parts_of
from runfolio.verification import Verification

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.salvage import Line

WITHHELD = "redacted"
"""Why a part of a result is withheld since."""

_DONE = "redacted"


class Redacted(Struct, frozen=True, kw_only=True):
    """What a redaction removed, or would: `results` parts of results in `files` files of `bytes` bytes.

    `schemas` had statistics or digests taken out, `errors` lines their messages. `done` is False of a look.
    """

    run_id: str
    folder: str
    modules: list[str]
    results: int
    files: int
    bytes: int
    schemas: int
    errors: int
    done: bool


def redact(
    run: str | PathLike[str],
    *,
    modules: Iterable[str],
    root: str | PathLike[str] | None = None,
    dry_run: bool = False,
) -> Redacted:
    """Remove for good what a run has of the data of these modules; with `dry_run` say what that would be.

    `run` and `root` are as for `load_run`. The files of the modules' results go, and statistics, digests and numbers of
    missing values from the schemas and changes of their steps, and from those of columns behind them that tell of the
    same values; the messages of all errors, which may quote data, and those of the modules' log. Steps, rows, names
    and dtypes stay, and all data of other modules. The run tells of it by an event of type `redact`.

    Raises UsageError if the run is written to, is damaged or an archive, or lies where folders can't be exchanged;
    NotFoundError for a module that it does not have; WriteError; and what `load_run` raises.

    >>> import pandas as pd
    >>> from runfolio import Status, load_run
    >>> with Status(root=root) as status, status.step("Loader", "people") as step:
    ...     _ = step.result(pd.DataFrame({"income": [31_000, 40_500]}))
    >>> redact(status.folder, modules=["Loader"]).files
    1
    >>> stored = load_run(status.folder).results["Loader[people]"]
    >>> stored.is_withheld, str(stored["schema"]["income"])
    (True, 'int64')
    """
    folder = roots.find(run, root).resolve()
    refuse_archive(folder)
    wanted = list(dict.fromkeys(texts(modules, "modules")))
    if not wanted:
        raise UsageError("no module is named", remedy="name those whose data is to go", key="modules")
    if dry_run:
        return _Redactor(*_checked(folder, wanted), wanted, folder).told(done=False)
    with alone_under(folder.parent), alone(folder):
        sweep(folder)
        _, found = _checked(folder, wanted)
        made = exchange(folder, _DONE, lambda source, new: _Redactor(source, found, wanted, new))
        if made.source.error is not None:
            _forget(folder.parent / layout.INDEX_FILE)  # a cache, with the message of the error
        return made.told(done=True)


def _checked(folder: Path, wanted: list[str]) -> tuple[Run, Verification]:
    """A run that can be redacted. Raises UsageError of any other, NotFoundError for an unknown module."""
    run, found = fit(folder, _DONE)
    known = _modules(run)
    missing = next((module for module in wanted if module not in known), None)
    if missing is not None:
        raise NotFoundError(f"the run has no module {missing!r}", remedy=f"it has {sorted(known)}", key=missing)
    return run, found


def _forget(index: Path) -> None:
    try:
        index.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(error, index) from error


def _modules(run: Run) -> set[str]:
    records: list[Any] = [*run.snapshots, *run.events, *run.changes, *run.timing_records]
    return {one.module_name for one in records if one.module_name is not None} | {
        step.module_name for result in run.result_records for step in result.path
    }


class _Values:
    """What the columns of the redacted modules tell of their values, to know it again where others tell the same."""

    def __init__(self, schemas: Iterable[Schema], changes: Iterable[Change]) -> None:
        self._digests: set[str] = set()
        self._texts: dict[str, set[str]] = {}
        for field in (field for schema in schemas for field in schema.fields):
            self._digests.update(filter(None, (field.digest, field.dtype_digest)))
            self._texts.setdefault(field.name, set()).update(_texts(field.statistics))
        renamed = [(one.target, one.details.get("renamed_to")) for one in changes if one.type == "DELETE"]
        for _ in renamed:
            for old, new in renamed:
                if isinstance(new, str) and old in self._texts:
                    self._texts.setdefault(new, set()).update(self._texts[old])

    def tell(self, field: Field | Description) -> bool:
        """Whether a field has values in common with a redacted one: by its digest, or by its name and statistics."""
        digests = {field.digest, field.dtype_digest} if isinstance(field, Field) else set()
        return bool(self._digests & digests or self._texts.get(field.name or "", set()) & set(_texts(field.statistics)))


def _texts(found: Statistics | None) -> Iterator[str]:
    """The values that statistics have in them, as text."""
    if found is not None:
        spelled = (found.minimum, found.maximum, *(found.categories or ()))
        yield from (text for text in spelled if text is not None)
        yield from (repr(number) for number in (found.mean, found.standard_deviation) if number is not None)


def hidden_field(field: Field) -> Field:
    """A field by its name and dtype alone."""
    return Field(name=field.name, dtype=plain_dtype(field.dtype, "names"), nullable=field.nullable, nulls=None)


def hidden_side(found: Description | None) -> Description | None:
    """One side of a change with no more than that, and rows."""
    if found is None:
        return None
    dtype = None if found.dtype is None else plain_dtype(found.dtype, "names")
    return Description(name=found.name, dtype=dtype, nullable=found.nullable, rows=found.rows)


class _Redactor(Maker):
    """Makes the folder of one redacted run, under the id that it has."""

    def __init__(self, source: Run, found: Verification, modules: list[str], folder: Path) -> None:
        super().__init__(source, found, folder, found.run_id)
        self._modules = modules
        self._before = self._steps_before()
        given = [one for schemas in self._given() for _, one in parts_of(schemas)]
        self._of_modules = {schema.schema_id for schema in given}
        self._values = _Values(given, source.changes)
        self._hidden: dict[str, Schema] = {}
        self._partly: dict[str, Schema] = {}
        self._written_schemas: set[tuple[str, str]] = set()
        self._needed = self._schemas_needed()
        self._going = self._files_going()

    def told(self, *, done: bool) -> Redacted:
        """What goes, or went."""
        redaction = self.telling()[2]
        return Redacted(run_id=self.run_id, folder=self.found.folder, done=done, **structs.asdict(redaction))

    # What is recorded of the modules' data, and where

    def _given(self) -> Iterator[Schemas]:
        """The schemas of what the modules gave."""
        for snapshot in self.source.snapshots:
            if snapshot.module_name in self._modules:
                yield snapshot.metadata.schema_after
        known = self.source._history.schemas
        for record in self.source.result_records:
            if self._is_of(record):
                yield {str(n): known[one.schema_id] for n, one in enumerate(record.parts) if one.schema_id in known}

    def _steps_before(self) -> set[str]:
        """The after-snapshots of steps that had nothing of the modules before them."""
        return {one.snapshot_id for one in self.source.snapshots if not self._is_exposed(one)}

    def _is_exposed(self, snapshot: Snapshot[Any]) -> bool:
        """Whether a module's data may be in what a snapshot describes: in doubt, it may."""
        if snapshot.module_name in self._modules:
            return True
        path = snapshot.context.get("path")
        try:
            return not path or any(step["module_name"] in self._modules for step in path)
        except (TypeError, KeyError):
            return True

    def _is_of(self, record: Result) -> bool:
        return not record.path or record.path[-1].module_name in self._modules

    def _files_going(self) -> dict[str, int]:
        """The result files that go, with their sizes: those that no line names as well."""
        kept = {
            part.file for one in self.source.result_records if not self._is_of(one) for part in one.parts if part.file
        }
        return {name: size for name, size in result_files(self.old) if name not in kept}

    # Schemas

    def _new(self, schema: Schema, *, module: str | None, exposed: bool) -> Schema:
        """A schema as it is told of in a place of the new run."""
        if module in self._modules or (exposed and schema.schema_id in self._of_modules):
            return self._hide(schema)
        return self._hide_partly(schema) if exposed else schema

    def _hide(self, schema: Schema) -> Schema:
        found = self._hidden.get(schema.schema_id)
        if found is None:
            found = self._hidden[schema.schema_id] = _of(schema, [hidden_field(field) for field in schema.fields])
        return found

    def _hide_partly(self, schema: Schema) -> Schema:
        found = self._partly.get(schema.schema_id)
        if found is None:
            fields = [hidden_field(field) if self._values.tell(field) else field for field in schema.fields]
            found = self._partly[schema.schema_id] = _of(schema, fields)
        return found

    def _schemas_needed(self) -> dict[str, dict[str, Schema]]:
        """What becomes of each schema by its id: one or more, by theirs."""
        needed: dict[str, dict[str, Schema]] = {}

        def need(schema: Schema, new: Schema) -> None:
            needed.setdefault(schema.schema_id, {})[new.schema_id] = new

        for snapshot in self.source.snapshots:
            module, exposed = snapshot.module_name, self._is_exposed(snapshot)
            for side in (snapshot.metadata.schema_before, snapshot.metadata.schema_after):
                for _, schema in parts_of(side):
                    need(schema, self._new(schema, module=module, exposed=exposed))
        known = self.source._history.schemas
        for record in self.source.result_records:
            for schema in (known[part.schema_id] for part in record.parts if part.schema_id in known):
                need(schema, self._of_result(record, schema))
        return needed

    def _of_result(self, record: Result, schema: Schema) -> Schema:
        if self._is_of(record):
            return self._hide(schema)
        exposed = any(step.module_name in self._modules for step in record.path)
        return self._new(schema, module=None, exposed=exposed)

    # Files and lines

    def going(self) -> Collection[str]:
        """The files of the modules' results."""
        return self._going

    def edited(self, writer: str, line: Line) -> list[dict[str, bytes]]:
        """The lines that a line becomes: one of a schema may become several."""
        if isinstance(line.record, Schema):
            return self._schema_lines(writer, line.record, codec.fields_of(line.text))
        return super().edited(writer, line)

    def edits(self, fields: dict[str, bytes], record: Any) -> dict[str, bytes]:
        """The fields of a line that become others, as they are spelled."""
        return {name: json.encode(value) for name, value in self._edits(record).items()}

    def _edits(self, record: Any) -> dict[str, Any]:
        """The fields of a record that become others."""
        edits: dict[Any, Callable[[Any], dict[str, Any]]] = {
            Snapshot: self._snapshot,
            Result: self._result,
            Change: self._change,
            Timing: self._timing,
            Event: self._event,
        }
        return edits[type(record)](record)

    def _schema_lines(self, writer: str, record: Schema, fields: dict[str, bytes]) -> list[dict[str, bytes]]:
        hidden = self._hide(record)
        lines = []
        for schema_id, new in self._needed.get(record.schema_id, {hidden.schema_id: hidden}).items():
            if (writer, schema_id) not in self._written_schemas:
                self._written_schemas.add((writer, schema_id))
                same = schema_id == record.schema_id
                lines.append(fields if same else codec.fields_of(codec.encode(structs.replace(new, seq=0))))
        return lines

    def _snapshot(self, record: Snapshot[Any]) -> dict[str, Any]:
        known, exposed = self.source._history.schemas, self._is_exposed(record)
        sides = {
            name: [
                SchemaRef(
                    ref.part, self._new(known[ref.schema_id], module=record.module_name, exposed=exposed).schema_id
                )
                for ref in getattr(record.metadata, name)
            ]
            for name in ("schema_before", "schema_after")
        }
        return {"metadata": sides, "context": _without_messages(record.context)}

    def _result(self, record: Result) -> dict[str, Any]:
        known, parts = self.source._history.schemas, []
        for part in record.parts:
            schema = known.get(part.schema_id or "")
            new = None if schema is None else self._of_result(record, schema).schema_id
            parts.append(structs.replace(_withheld(part) if self._is_of(record) else part, schema_id=new))
        return {"parts": parts}

    def _change(self, record: Change) -> dict[str, Any]:
        if record.module_name in self._modules or record.module_name is None:
            return {"before": hidden_side(record.before), "after": hidden_side(record.after)}
        if record.snapshot_id in self._before:
            return {}
        return {name: self._side(getattr(record, name)) for name in ("before", "after")}

    def _side(self, found: Description | None) -> Description | None:
        return found if found is None or not self._values.tell(found) else hidden_side(found)

    def _timing(self, record: Timing) -> dict[str, Any]:
        return {"context": _without_messages(record.context)}

    def _event(self, record: Event) -> dict[str, Any]:
        if record.type == "state":
            context = _without_messages(record.context)
            return {"context": context} | ({"message": LEFT_OUT} if record.message else {})
        of_error = record.level is not None and record.level.lower() in ("error", "critical")
        if record.type == "log" and (of_error or record.module_name in self._modules):
            return {"message": LEFT_OUT}
        return {}

    # What is told of it

    def telling(self) -> tuple[EventType, str, Redaction]:
        """The event that tells of it."""
        parts = [part for one in self.source.result_records if self._is_of(one) for part in one.parts]
        changed = sum(list(new) != [schema_id] for schema_id, new in self._needed.items())
        context = Redaction(
            modules=self._modules,
            results=sum(part.file is not None for part in parts),
            files=len(self._going),
            bytes=sum(self._going.values()),
            schemas=changed,
            errors=sum(_has_message(event) for event in self.source.events),
        )
        return "redact", f"redacted {', '.join(self._modules)}", context

    def new_manifest(self, found: Manifest) -> Manifest:
        """That without the message of an error."""
        return found if found.error is None else structs.replace(found, error=_silent(found.error))


def _of(schema: Schema, fields: list[Field]) -> Schema:
    return schema if fields == schema.fields else Schema.of(schema.rows, fields)


def _withheld(part: Part) -> Part:
    return structs.replace(part, file=None, bytes=None, sha256=None, withheld=part.withheld or WITHHELD)


def _has_message(event: Event) -> bool:
    return event.type == "state" and bool(event.message) and event.message != LEFT_OUT


def _silent(failure: Failure) -> Failure:
    return structs.replace(failure, message=LEFT_OUT, traceback=LEFT_OUT)


def _without_messages(context: dict[str, Any]) -> dict[str, Any]:
    """A context without what it says of an error but its type."""
    found = dict(context)
    for name in ("error", "traceback"):
        if isinstance(found.get(name), str) and found[name]:
            kind = found[name].partition(":")[0] if name == "error" and "error_type" not in found else ""
            found[name] = f"{kind}: {LEFT_OUT}" if kind.isidentifier() else LEFT_OUT
    if isinstance(found.get("error"), dict):
        texts_of = {name: LEFT_OUT for name in ("message", "traceback") if found["error"].get(name)}
        found["error"] = {**found["error"], **texts_of}
    return found
