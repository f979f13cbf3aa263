"""Following a run: from an append's return to the parsed record in another process, beside watchdog and raw inotify.

Run as a script it is one of the processes: `write FOLDER RATE COUNT`, or one of the followers by its name, which says
when it is ready and prints the seconds that each record took and its share of a core.
"""

from __future__ import annotations

import ctypes
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from children import environment
from measure import Row, Sizes

from runfolio import Status
from runfolio.codec import decode
from runfolio.feed import Feed
from runfolio.journal import Tail

FIGURES: dict[str, Callable[[dict[str, Any]], float]] = {
    "median": lambda found: statistics.median(found["seconds"]),
    "p99": lambda found: sorted(found["seconds"])[int(len(found["seconds"]) * 0.99)],
    "of a core in a second": lambda found: float(found["cpu"]),
}
RATES = {
    10: (2e-3, 20e-3, None),
    100: (2e-3, 20e-3, None),
    1_000: (None, None, None),
    5_000: (6e-3, 20e-3, 0.1),
}
"""By records a second: what each figure may be at most, in seconds."""

PAUSE = 0.005
JOURNAL = "events.jsonl"
LIMITS = {"watchdog": "watchdog's own events, the file read on at each", "inotify": "raw inotify with a pause of 5 ms"}


def measure(sizes: Sizes, folder: Path) -> list[Row]:
    """Each rate with a writer for all three followers at once, so that the machine is as busy for each."""
    rows = []
    for rate, bounds in RATES.items():
        count = max(int(rate * sizes.followed), 20)
        found = _run(folder / str(rate), rate, count, folder / "cache")
        ours = found.pop("runfolio")
        for (what, of), bound in zip(FIGURES.items(), bounds, strict=True):
            name, mine = f"{rate:,} a second, {what}", of(ours)
            if bound is not None:
                rows.append(Row("follow", name, "what it may be", "ms", [mine], [bound], mine / bound, 1.0))
            for other, limit in LIMITS.items():
                theirs = of(found[other])
                rows.append(Row("follow", name, limit, "ms", [mine], [theirs], mine / theirs, None))
    return rows


def _run(root: Path, rate: int, count: int, cache: Path) -> dict[str, Any]:
    """What the followers found of one run."""
    variables = environment(cache)

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, *arguments]
        return subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    writer = start("write", str(root), str(rate), str(count))
    assert writer.stdout is not None
    folder = writer.stdout.readline().strip()
    followers = {name: start(name, folder, str(count)) for name in FOLLOWERS}
    for follower in followers.values():
        assert follower.stdout is not None
        assert follower.stdout.readline() == "ready\n"
    writer.communicate("go\n")
    found = {name: json.loads(follower.communicate()[0]) for name, follower in followers.items()}
    assert {len(one["seconds"]) for one in found.values()} == {count}
    return found


def write(root: str, rate: str, count: str) -> None:
    """Messages that hold the time at which their append began, so many a second."""
    with Status(root=root) as status:
        status.start()
        print(status.folder, flush=True)
        sys.stdin.readline()
        begun = time.monotonic()
        for number in range(int(count)):
            time.sleep(max(begun + number / int(rate) - time.monotonic(), 0))
            status.log(str(time.monotonic_ns()))
        time.sleep(0.5)


class Account:
    """What a follower found until now."""

    def __init__(self, count: str) -> None:
        self.seconds: list[float] = []
        self._count = int(count)
        self._begun = 0.0, 0.0

    def begin(self) -> None:
        """Say that it follows; time counts from now on."""
        print("ready", flush=True)
        self._begun = time.process_time(), time.monotonic()

    def take(self, record: Any) -> None:
        """A record that was parsed."""
        if record.type == "log":
            self.seconds.append((time.monotonic_ns() - int(record.message)) / 1e9)

    @property
    def is_full(self) -> bool:
        """Whether all came."""
        return len(self.seconds) >= self._count

    def end(self) -> None:
        """Print it."""
        cpu, wall = time.process_time() - self._begun[0], time.monotonic() - self._begun[1]
        print(json.dumps({"seconds": self.seconds, "cpu": cpu / wall}))


def by_runfolio(folder: str, account: Account) -> None:
    """A feed, as `follow` has it."""
    with Feed(Path(folder)) as feed:
        while feed.take():
            continue
        feed.wait(0)
        account.begin()
        while not account.is_full:
            for record in feed.take():
                account.take(record)
            feed.wait(None)


def by_watchdog(folder: str, account: Account) -> None:
    """Its observer, and a look at the file after each event."""
    from watchdog.events import FileModifiedEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    bell = threading.Event()

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: Any) -> None:
            bell.set()

    observer = Observer()
    observer.schedule(Handler(), folder, event_filter=[FileModifiedEvent])
    observer.start()
    tail = Tail(Path(folder) / JOURNAL)
    read_on(tail, account)
    account.begin()
    while not account.is_full:
        bell.wait(1)
        bell.clear()
        read_on(tail, account)
    observer.stop()
    observer.join()


def by_inotify(folder: str, account: Account) -> None:
    """The system's calls, a pause after each event, and a look at the file."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(0)
    assert libc.inotify_add_watch(fd, os.fsencode(folder), 0x2) >= 0
    tail = Tail(Path(folder) / JOURNAL)
    read_on(tail, account)
    account.begin()
    while not account.is_full:
        os.read(fd, 65536)
        time.sleep(PAUSE)
        read_on(tail, account)
    os.close(fd)


def read_on(tail: Tail, account: Account) -> None:
    """Parse the lines that came."""
    for lines in tail.read():
        for line in lines.lines:
            account.take(decode("event", line))


FOLLOWERS = {"runfolio": by_runfolio, "watchdog": by_watchdog, "inotify": by_inotify}

if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(*sys.argv[2:])
    else:
        taken = Account(sys.argv[3])
        FOLLOWERS[sys.argv[1]](sys.argv[2], taken)
        taken.end()
