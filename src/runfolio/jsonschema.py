"""The JSON Schema (draft 2020-12) of every line of a run folder and of `run.json`, from the record types.

    python -m runfolio.jsonschema schemas/

writes one file for each kind of line. A writer puts every field on every line, so all fields are required; a reader
ignores fields that it does not know, so others are allowed.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from msgspec.json import schema_components

from runfolio import layout
from runfolio.codec import LINE_TYPES
from runfolio.records import (
    Amendment,
    Configured,
    Header,
    Input,
    Lost,
    Manifest,
    Provenance,
    Pruned,
    Redaction,
    Repair,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"

TYPES: dict[str, Any] = {**LINE_TYPES, "run": Manifest}
"""The type of each kind of line; `run` is that of `run.json`."""

CONTEXTS: dict[str, Any] = {
    "segment": Header,
    "config": Configured,
    "input": Input,
    "lost": Lost,
    "repair": Repair,
    "amend": Amendment,
    "redact": Redaction,
    "prune": Pruned,
}
"""The types of event whose context is of a fixed form, and that form."""

_REFERENCE = "#/$defs/{name}"
_PROVENANCE = {
    "if": {"properties": {"type": {"const": "state"}}},
    "then": {"properties": {"context": {"properties": {"provenance": {"$ref": "#/$defs/Provenance"}}}}},
}
_CRC = {"type": "string", "pattern": "^[0-9a-f]{8}$"}
_SHA256 = "^[0-9a-f]{64}$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"


def generate(kind: str) -> dict[str, Any]:
    """The JSON Schema of one kind of line.

    >>> list(generate("timing")["properties"])[:3], generate("timing")["required"][-1]
    (['kind', 'seq', 'record_id'], 'crc')
    """
    types = [TYPES[kind], *((*CONTEXTS.values(), Provenance) if kind == "event" else ())]
    (reference, *_), found = schema_components(types, ref_template=_REFERENCE)
    top, *others = [_written(found.pop(_name(reference))), *map(_written, found.values())]
    top["properties"]["crc"] = _CRC
    top["required"].append("crc")
    if "seq" in top["properties"]:
        top["properties"]["seq"]["minimum"] = 1
    if kind == "event":
        top["allOf"] = [*(_context_of(*item) for item in CONTEXTS.items()), _PROVENANCE]
    head = {
        "$schema": DIALECT,
        "$id": f"urn:runfolio:format:{layout.FORMAT_VERSION}:{kind}",
        "title": _title(kind),
    }
    del top["title"]
    defs = {definition["title"]: definition for definition in others}
    return {**head, **top, **({"$defs": dict(sorted(defs.items()))} if defs else {})}


def text(kind: str) -> str:
    """The text of the file in `schemas/`."""
    return json.dumps(generate(kind), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> list[Path]:
    """Write the schema of each kind into a folder, and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind in TYPES:
        path = folder / f"{kind}.json"
        path.write_text(text(kind), encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


def _name(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def _title(kind: str) -> str:
    if kind == "run":
        return layout.RUN_FILE
    return f"A line of {layout.STEMS[kind]}.jsonl"


def _context_of(event: str, kind: type) -> dict[str, Any]:
    """Events of this type have a context of a fixed form."""
    return {
        "if": {"properties": {"type": {"const": event}}},
        "then": {"properties": {"context": {"$ref": _REFERENCE.format(name=kind.__name__)}}},
    }


def _written(definition: dict[str, Any]) -> dict[str, Any]:
    """A type as it is on disk: every field is there, times and digests in one spelling; its summary in one line."""
    properties = {name: _spelled(name, field) for name, field in definition["properties"].items()}
    summary = inspect.cleandoc(definition["description"]).partition("\n\n")[0].replace("\n", " ")
    return {
        "title": definition["title"],
        "description": summary,
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def _spelled(name: str, field: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in field.items() if key != "default"}
    if "anyOf" in found:
        return {"anyOf": [_spelled(name, choice) for choice in found["anyOf"]]}
    if found.get("format") == "date-time":
        found["pattern"] = _TIME
    if name == "sha256" and found["type"] == "string":
        found["pattern"] = _SHA256
    return found


if __name__ == "__main__":
    write(Path(sys.argv[1]))
