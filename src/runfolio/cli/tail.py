"""`runfolio tail`: the last records of a run, and those that come."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

import click
from msgspec import json, structs

from runfolio import codec, layout
from runfolio import root as roots
from runfolio.cli.options import EXIT_CODES, root_option
from runfolio.cli.recordline import record_line
from runfolio.cli.terminal import complain, page, write_bytes
from runfolio.escapes import neutral_json
from runfolio.feed import Feed
from runfolio.records import Metadata, Opaque, SchemaRef, SchemaRefs, Snapshot
from runfolio.schema import parts_of

KINDS = tuple(layout.STEMS)


@click.command("tail", epilog=EXIT_CODES)
@click.argument("run")
@root_option
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until the run ends.")
@click.option("-n", "--lines", metavar="N", type=click.IntRange(min=0), default=10, help="So many records; 10.")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Of this kind; several can be named.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they stand in the journals, for programs.")
@click.option("--poll", is_flag=True, help="Ask the file system again and again: for network file systems.")
def command(
    *, run: str, root: str | None, follow: bool, lines: int, kinds: tuple[str, ...], as_json: bool, poll: bool
) -> None:
    """Print the last records of a run, a line each, in the order of their times.

    With -f it goes on with what comes, until the run ends; of one that is interrupted it says so on standard error.
    Ctrl-C leaves, and the run goes on. Times are UTC.

    RUN is a run's id, the beginning of one that no other id has, `latest`, or the path of a run folder (with a slash in
    it).

    \b
    Examples:
      runfolio tail latest
      runfolio tail latest -f --kind event --kind timing
      runfolio tail latest -f -n 0
      runfolio tail latest -n 1000 --json | jq -c 'select(.kind == "change")'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    wanted = frozenset(kinds or KINDS) | (frozenset() if kinds else {"opaque"})
    with Feed(roots.find(run, root).absolute(), poll=poll) as feed:
        last: deque[tuple[str, Any]] = deque(maxlen=lines)
        while (rows := feed.take_kinds()) or feed.has_more:
            last.extend(row for row in rows if row[0] in wanted)
        _print(last, as_json=as_json)
        while follow and not feed.is_over:
            _print((row for row in feed.take_kinds() if row[0] in wanted), as_json=as_json)
            feed.wait()
        _tell(feed, follow=follow)


def _print(rows: Iterable[tuple[str, Any]], *, as_json: bool) -> None:
    if as_json:
        lines = b"".join(line_of(record) for _, record in rows)
        is_shown = sys.stdout is not None and sys.stdout.isatty()
        write_bytes(neutral_json(lines.decode()).encode() if is_shown else lines)
    else:
        on = page()
        for kind, record in rows:
            on.line(*record_line(kind, record))
    if sys.stdout is not None:
        sys.stdout.flush()


def line_of(record: Any) -> bytes:
    """The line of a record as its journal has it."""
    if isinstance(record, Opaque):
        return json.encode({"kind": record.kind, "seq": record.seq, **record.fields}) + b"\n"
    if isinstance(record, Snapshot):
        metadata: Metadata = record.metadata
        refs = SchemaRefs(_refs(metadata.schema_before), _refs(metadata.schema_after))
        record = structs.replace(record, metadata=refs)
    return codec.encode(record)


def _refs(schemas: Any) -> list[SchemaRef]:
    return [SchemaRef(part, schema.schema_id) for part, schema in parts_of(schemas)]


def _tell(feed: Feed, *, follow: bool) -> None:
    """What is not as it was written, and that there was no end."""
    found = feed.damage
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        complain(f"{feed.folder} is damaged: {found[0]}{more}")
    if follow and feed.state == "interrupted":
        complain(f"{feed.run_id} is interrupted: {feed.state_reason}")
