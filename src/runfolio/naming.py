"""Naming: what a run is called, by its first line and what was amended since."""

from __future__ import annotations

from collections.abc import Iterable

from runfolio.records import Amendment, Event, Note, converted


def named(name: str | None, tags: list[str], events: Iterable[Event]) -> tuple[str | None, list[str]]:
    """A name and tags as these events, in their order, amended them; taking them twice makes no difference."""
    for event in events:
        found = amendment_of(event)
        if found is not None:
            name = name if found.name is None else found.name
            tags = [tag for tag in dict.fromkeys([*tags, *found.tags]) if tag not in found.untagged]
    return name, list(tags)


def notes_in(events: Iterable[Event]) -> list[Note]:
    """The notes among these events."""
    found = ((event.timestamp, amendment_of(event)) for event in events)
    return [Note(timestamp=time, text=one.note) for time, one in found if one is not None and one.note is not None]


def amendment_of(event: Event) -> Amendment | None:
    """What an event amended; None of another event, and of one that is not as this version writes it."""
    return converted(event.context, Amendment) if event.type == "amend" else None
