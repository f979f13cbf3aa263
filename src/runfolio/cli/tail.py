"""`runfolio tail`: the last records of a run, and those that come."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click
from msgspec import json, structs

from runfolio import codec, layout
from runfolio import root as roots
from runfolio.cli.options import EXIT_CODES, poll_option, root_option, tell_damage
from runfolio.cli.recordline import record_line
from runfolio.cli.terminal import complain, echo_line, page
from runfolio.feed import Feed
from runfolio.history import SETTLING_SECONDS
from runfolio.records import Opaque, SchemaRef, SchemaRefs, Snapshot
from runfolio.schema import Schemas, parts_of

Row = tuple[str, Any]
"""A record behind its kind."""

_PAUSE = 0.05
_PATIENCE = SETTLING_SECONDS + 1.0
"""So long is waited for what is held back behind a gap; a reader of gaps waits a little less."""


@click.command("tail", epilog=EXIT_CODES)
@click.argument("run")
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with what comes, until the run ends.")
@click.option(
    "-n",
    "--lines",
    "most",
    metavar="N",
    type=click.IntRange(min=0),
    default=10,
    help="The last N records, by default 10.",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(list(layout.STEMS)),
    help="Only records of this kind; repeatable.",
)
@root_option
@click.option("--json", "as_json", is_flag=True, help="Print records as the lines of JSON that the run folder holds.")
@poll_option
def command(
    *, run: str, follows: bool, most: int, kinds: tuple[str, ...], root: str | None, as_json: bool, poll: bool
) -> None:
    """Print the last records of a run, a line each, and with -f those that come.

    A line has the time in UTC, what it is, and what it says. With -f the command ends when the run does, whether it was
    completed, failed, or was interrupted.

    RUN is named as for `show`.

    \b
    Examples:
      runfolio tail latest
      runfolio tail -f latest
      runfolio tail -n 100 --kind change --kind timing latest
      runfolio tail -f -n 0 --json latest | jq -c 'select(.kind == "timing")'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    show = _json_printer() if as_json else _printer()
    wanted = frozenset(kinds or (*layout.STEMS, "opaque"))
    with Feed(roots.find(run, root).absolute(), poll=poll) as feed:
        show(deque(_wanted(_past(feed), wanted), maxlen=most))
        known = _tell_damage(feed, 0)
        if follows:
            for rows in _present(feed):
                show(_wanted(rows, wanted))
        _tell_damage(feed, known)
        if feed.state == "interrupted":
            complain(f"{feed.run_id or feed.folder.name} is interrupted: {feed.state_reason}")


def _past(feed: Feed) -> Iterator[Row]:
    """What is there. Whoever writes faster than this reads gets no say in when it ends."""
    end = time.monotonic() + _PATIENCE
    while not feed.is_over:
        rows = feed.take_kinds()
        yield from rows
        if not feed.has_more:
            if not feed.holds_back or time.monotonic() >= end:
                return
            time.sleep(_PAUSE)


def _present(feed: Feed) -> Iterator[list[Row]]:
    """What comes, until the run ends."""
    while not feed.is_over:
        rows = feed.take_kinds()
        if rows:
            yield rows
        else:
            feed.wait()


def _wanted(rows: Iterable[Row], kinds: frozenset[str]) -> Iterator[Row]:
    return (row for row in rows if row[0] in kinds)


def _tell_damage(feed: Feed, known: int) -> int:
    """Say what is damaged if that is more than was known; how much it is."""
    found = len(feed.damage)
    if found > known:
        tell_damage(feed)
    return found


def _printer() -> Callable[[Iterable[Row]], None]:
    on = page()

    def show(rows: Iterable[Row]) -> None:
        for kind, record in rows:
            on.line(*record_line(kind, record))
        _flush()

    return show


def _json_printer() -> Callable[[Iterable[Row]], None]:
    def show(rows: Iterable[Row]) -> None:
        for _, record in rows:
            echo_line(line_of(record))
        _flush()

    return show


def _flush() -> None:
    """Let whoever reads have each line when it comes."""
    if sys.stdout is not None:
        sys.stdout.flush()


def line_of(record: Any) -> bytes:
    """The line that a record stands on in its journal, as far as this version knows what is on it."""
    if isinstance(record, Opaque):
        return codec.sealed({name: json.encode(value) for name, value in record.fields.items()})
    if isinstance(record, Snapshot):
        sides = (record.metadata.schema_before, record.metadata.schema_after)
        return _encoded(structs.replace(record, metadata=SchemaRefs(*map(_refs, sides))))
    return _encoded(record)


def _refs(schemas: Schemas) -> list[SchemaRef]:
    """The references that schemas were found by."""
    return [SchemaRef(part, schema.schema_id) for part, schema in parts_of(schemas)]


def _encoded(record: Any) -> bytes:
    try:
        return codec.encode(record)
    except OverflowError:  # a time that is out of all bounds in UTC, which no writer of ours has
        return codec.sealed(codec.fields_of(json.encode(record)))
