"""A process that follows a run, or all runs under a root, and says at its end what it got.

It answers `ready` once it has taken what was there and is watching. Its last line is JSON: how many records of each
kind and worker, how many were not the next of their worker, and what it met on the way. SIGTERM ends it before.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from watchdog.events import FileModifiedEvent, FileSystemEventHandler
from watchdog.observers import Observer

from runfolio import alarm
from runfolio.feed import Feed, RootFeed


class Enough(Exception):
    """Somebody asks what came so far."""


class Overflows(logging.Handler):
    """Counts how often watchdog was told that events were lost."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a message of watchdog."""
        self.count += "queue overflowed" in record.getMessage()


class Account:
    """What came so far, by kind and worker."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {"change": Counter(), "log": Counter()}
        self.wrong = 0
        self.looks = 0
        self.torn: set[tuple[str, int]] = set()
        self.unwatched = 0

    def take(self, run: str, record: Any) -> None:
        """Hold a record against the one before it."""
        kind = {"UPDATE": "change", "log": "log"}.get(getattr(record, "type", ""))
        if kind is not None:
            worker, _, number = (record.target if kind == "change" else record.message).partition("-")
            self.wrong += self.counts[kind][run + worker] != int(number)
            self.counts[kind][run + worker] += 1


def follow_run(feed: Feed, account: Account) -> None:
    """To its end."""
    while not feed.is_over:
        rows = feed.take()
        account.looks += bool(rows)
        account.torn |= {(tail.path.name, tail.offset) for _, tail in feed._history.tails() if tail.rest}
        for record in rows:
            account.take("", record)
        if not rows:
            feed.wait()
            announce(feed)


def follow_all(feed: RootFeed, account: Account) -> None:
    """Until the runs that there were have ended."""
    while not account.looks or feed.feeds or feed.has_more:
        rows = feed.take()
        account.looks += bool(rows)
        for run_id, record in rows:
            account.take(f"{run_id}/", record)
        if not feed.has_more:
            watched = feed._alarm._folders.values()
            account.unwatched = max(account.unwatched, sum(one.watch is None for one in watched))
            feed.wait()
            announce(feed)


def announce(feed: Feed | RootFeed, said: list[bool] = []) -> None:  # noqa: B006  (once for the process)
    """Say that it watches."""
    if not said:
        said.append(True)
        print("ready", flush=True)


def trust_events() -> None:
    """Not to be done: without rounds and polling, what no event tells of is never found."""
    alarm.ROUND_SECONDS = 86_400.0
    alarm._Watched.is_polled = property(lambda _: False)  # type: ignore[method-assign, assignment]


def count_events(folder: Path) -> None:
    """Not to be done: take a line for each event. Tells how many that were until it is ended."""
    lines = sum(path.read_bytes().count(b"\n") for path in folder.glob("*.jsonl"))
    events: list[str] = []

    class Handler(FileSystemEventHandler):
        def on_modified(self, event: Any) -> None:
            if isinstance(event, FileModifiedEvent) and event.src_path.endswith(".jsonl"):
                events.append(event.src_path)

    observer = Observer()
    observer.schedule(Handler(), str(folder))
    observer.start()
    print("ready", flush=True)
    with suppress(Enough):
        while True:
            time.sleep(60)
    observer.stop()
    observer.join()
    print(json.dumps({"lines": lines + len(events)}), flush=True)


def stop(*_: object) -> None:
    """Handle SIGTERM."""
    raise Enough


def main(what: str, path: str) -> None:
    """Follow, and tell."""
    signal.signal(signal.SIGTERM, stop)
    if what == "a line for each event":
        count_events(Path(path))
        return
    if what == "root by events alone":
        trust_events()
    warnings.simplefilter("error")
    overflows, account = Overflows(), Account()
    logging.getLogger("watchdog").addHandler(overflows)
    begun = time.process_time(), time.monotonic()
    feed: Any = Feed(Path(path)) if what == "run" else RootFeed(Path(path))
    with feed, suppress(Enough):
        (follow_run if what == "run" else follow_all)(feed, account)
    found = {
        "counts": account.counts,
        "wrong": account.wrong,
        "looks": account.looks,
        "torn": len(account.torn),
        "unwatched": account.unwatched,
        "overflows": overflows.count,
        "restarts": getattr(feed, "_history", None) and feed._history.restarts,
        "state": getattr(feed, "state", None),
        "damage": list(map(str, getattr(feed, "damage", []))),
        "cpu": (time.process_time() - begun[0]) / (time.monotonic() - begun[1]),
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
