"""Clashes: results that are not given, because another process of the same run stored one under the same key.

A process knows the keys that it stored itself, and those that were stored when it joined or was forked.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from runfolio.records import Event, Result
from runfolio.standing import walk
from runfolio.timeline import Timeline


def hidden(timeline: Timeline) -> list[tuple[str, Result]]:
    """The results in whose place another process's is given, each with its writer; none of before the last repair.

    A restore makes keys free again, and so does the resumption of a run.
    """
    writers = {id(result): writer for writer, stream in timeline.streams.items() for result in stream.get("result", ())}
    keys = Counter(result.key for stream in timeline.streams.values() for result in stream.get("result", ()))
    if len(timeline.streams) == 1 or all(count == 1 for count in keys.values()):
        return []
    found: list[tuple[str, Result]] = []
    current: dict[int, str] = {}
    for record, standing in walk(timeline):
        if _is(record, "repair"):
            found = []
        elif _is(record, "state"):
            current = {}
        elif isinstance(record, Result):
            writer, old = writers[id(record)], standing.results.get(record.key)
            if old is not None and current.get(id(old), writer) not in timeline.chain(writer):
                found.append((writers[id(old)], old))
            current[id(record)] = writer
    return found


def _is(record: Any, kind: str) -> bool:
    return isinstance(record, Event) and record.type == kind
