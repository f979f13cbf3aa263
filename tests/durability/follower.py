"""A process that follows a run, or all runs under a root, and says at its end what it got.

It answers `ready` once it has taken what was there and is watching. Its last line is JSON: how many records of each
kind and worker, how many were not the next of their worker, and what it met on the way.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from runfolio.feed import Feed, RootFeed


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
        self.torn = 0
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
        account.torn += any(tail.rest for _, tail in feed._history.tails())
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


def main(what: str, path: str) -> None:
    """Follow, and tell."""
    warnings.simplefilter("error")
    overflows, account = Overflows(), Account()
    logging.getLogger("watchdog").addHandler(overflows)
    begun = time.process_time(), time.monotonic()
    feed: Any = RootFeed(Path(path)) if what == "root" else Feed(Path(path))
    with feed:
        (follow_all if what == "root" else follow_run)(feed, account)
    found = {
        "counts": account.counts,
        "wrong": account.wrong,
        "looks": account.looks,
        "torn": account.torn,
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
