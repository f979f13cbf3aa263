"""A process follows live writers: every record once and in order, at any rate and whatever happens on the way.

What came is held against the writers' own ledgers: what each acknowledged.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Self

import pytest

from .children import THREADS
from .nursery import Child
from .test_tail import read_hastily

SCRIPT = Path(__file__).with_name("follower.py")
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


class Follower:
    """The process. Use it in a `with` statement."""

    def __init__(self, what: str, path: Path, *, before: list[str] | None = None) -> None:
        command = [*(before or []), sys.executable, str(SCRIPT), what, str(path)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def wait_until_ready(self) -> None:
        assert self._process.stdout.readline() == "ready\n"

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> dict[str, Any]:
        """What it got, once it has come to the end by itself."""
        lines = self._process.communicate()[0].splitlines()
        assert self._process.returncode == 0
        return json.loads(lines[-1])


@contextmanager
def heard(child: Child) -> Iterator[None]:
    """Take what a child acknowledges until it ends, which it does in the block: a pipe that is full would stop it."""
    thread = threading.Thread(target=child.listen, args=[86_400])
    thread.start()
    yield
    thread.join()


def held_against(found: dict[str, Any], counts: dict[str, int], *kinds: str) -> int:
    """That it got what was acknowledged, each once and in order; returns how many records those are."""
    assert found["wrong"] == 0
    assert found["damage"] == []
    assert {kind: found["counts"][kind] for kind in kinds} == dict.fromkeys(kinds, counts)
    return len(kinds) * sum(counts.values())


PACES = {
    "one a second": {"do": "paced", "rate": 1},
    "1,000 a second": {"do": "paced", "rate": 1000},
    "as many as they can": {"do": "crowd"},
}


@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "case", [(pace, processes) for pace in PACES for processes in (1, 2, 4)], ids="{0[0]}, {0[1]}".format
)
def test_a_follower_gets_every_record_once_and_in_order(nursery, tmp_path, size, tally, case):
    pace, processes = case
    wanted = dict(PACES[pace], root=str(tmp_path / "runs"), processes=processes)
    if pace == "as many as they can":
        kinds, wanted["each"] = ["change"], size(20_000, 2_000_000) // (processes * THREADS)
    else:
        kinds, wanted["seconds"] = ["change", "log"], size(2, 60)
    with nursery.begin(**wanted) as child, Follower("run", Path(child.hear("folder:"))) as follower:
        with heard(child):
            found = follower.end()
        assert child.wait() == 0
    acknowledged = held_against(found, child.counts(), *kinds)
    assert found["state"] == "completed"
    tally(
        test=f"follow of {processes} processes, {pace}",
        trials=acknowledged,
        faults=found["looks"],
        acknowledged=acknowledged,
        control=control(nursery, tmp_path),
    )


@pytest.mark.timeout(0)
def test_a_follower_that_meets_torn_lines_waits_for_their_rest(nursery, tmp_path, size, tally):
    with nursery.begin(
        "paced", root=str(tmp_path / "runs"), processes=2, rate=1000, seconds=size(3, 600), tear=20
    ) as child:
        with Follower("run", Path(child.hear("folder:"))) as follower, heard(child):
            found = follower.end()
        assert child.wait() == 0
    acknowledged = held_against(found, child.counts(), "change", "log")
    assert found["torn"] >= size(10, 10_000)
    tally(
        test=f"follow at 1,000 a second, {found['torn']:,} looks at a torn line",
        trials=acknowledged,
        faults=found["torn"],
        acknowledged=acknowledged,
        control=control(nursery, tmp_path),
    )


def test_a_follower_whose_queue_of_events_overflows_loses_nothing(nursery, tmp_path, tally):
    with nursery.begin("paced", root=str(tmp_path / "runs"), processes=2, rate=150, seconds=4) as child:
        folder = Path(child.hear("folder:"))
        with short_queue(16):
            follower = Follower("run", folder)
            follower.wait_until_ready()
        with follower:
            stop_for(follower, 1.5)  # what is written meanwhile is more than fits
            found = follower.end()
        assert child.wait() == 0
    acknowledged = held_against(found, child.counts(), "change", "log")
    assert found["overflows"], "no event was lost"
    tally(
        test="follow with a queue of 16 events",
        trials=acknowledged,
        faults=found["overflows"],
        acknowledged=acknowledged,
        control=f"watchdog said {found['overflows']} times that events were lost",
    )


def test_a_follower_of_more_runs_than_can_be_watched_gets_all(nursery, tmp_path, tally):
    """The limit is that of a user namespace, in which the follower is alone."""
    inside = 'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"'
    namespace = ["unshare", "--user", "--map-root-user", "sh", "-c", inside, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("there are no user namespaces here, so that no limit of watches can be set for one process")
    root = tmp_path / "runs"
    children = [nursery.begin("paced", root=str(root), processes=1, rate=50, seconds=4) for _ in range(10)]
    folders = [child.hear("folder:") for child in children]
    with Follower("root", root, before=namespace) as follower:
        found = follower.end()
    for child in children:
        assert child.wait() == 0
    counts = {
        f"{Path(folder).name}/{worker}": number
        for folder, child in zip(folders, children, strict=True)
        for worker, number in child.counts().items()
    }
    acknowledged = held_against(found, counts, "change", "log")
    assert found["unwatched"] >= 6, "all could be watched"
    tally(
        test="follow of 10 runs with 5 watches",
        trials=acknowledged,
        faults=found["unwatched"],
        acknowledged=acknowledged,
        control=f"{found['unwatched']} folders could not be watched",
    )


def test_a_follower_that_is_stopped_and_continued_misses_nothing(nursery, tmp_path, size, tally):
    stops = size(4, 200)
    with nursery.begin("paced", root=str(tmp_path / "runs"), processes=2, rate=2000, seconds=0.6 * stops + 1) as child:
        with Follower("run", Path(child.hear("folder:"))) as follower:
            follower.wait_until_ready()
            with heard(child):
                for _ in range(stops):
                    stop_for(follower, 0.3)
                    time.sleep(0.2)
                found = follower.end()
        assert child.wait() == 0
    acknowledged = held_against(found, child.counts(), "change", "log")
    tally(
        test="follow by a process that is stopped and continued",
        trials=acknowledged,
        faults=stops,
        acknowledged=acknowledged,
        control=control(nursery, tmp_path),
    )


def test_a_follower_of_a_copy_that_is_replaced_again_and_again_loses_nothing(nursery, tmp_path, size, tally):
    """A live run is copied elsewhere, file by file in any order, as by rsync; and now and then from nothing."""
    copy, chance, copies = tmp_path / "copy", Random(7), 0
    with nursery.begin("paced", root=str(tmp_path / "runs"), processes=2, rate=500, seconds=size(4, 120)) as child:
        folder = Path(child.hear("folder:"))
        mirror(folder, copy, chance)
        with Follower("run", copy) as follower:
            follower.wait_until_ready()
            while child.listen(0.1):
                copies += 1
                if copies % 5 == 0:
                    shutil.rmtree(copy)
                mirror(folder, copy, chance)
            assert child.wait() == 0
            mirror(folder, copy, chance)
            found = follower.end()
    acknowledged = held_against(found, child.counts(), "change", "log")
    assert found["state"] == "completed"
    assert found["restarts"] > copies, "no journal was read anew"
    tally(
        test="follow of a copy that is replaced again and again",
        trials=acknowledged,
        faults=found["restarts"],
        acknowledged=acknowledged,
        control=f"{found['restarts']:,} journals were found in the place of others",
    )


def mirror(folder: Path, copy: Path, chance: Random) -> None:
    """Have the same files there."""
    copy.mkdir(exist_ok=True)
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    chance.shuffle(names)
    for name in (name for name in names if not name.startswith(".")):
        with suppress(FileNotFoundError):
            shutil.copy2(folder / name, copy / f".{name}")
            (copy / f".{name}").replace(copy / name)
    for path in copy.iterdir():
        if path.name not in names:
            path.unlink()


def test_a_follower_of_a_writer_that_is_killed_gets_all_and_says_so(nursery, tmp_path, size, tally):
    acknowledged, kills = 0, size(3, 200)
    for number in range(kills):
        root = tmp_path / f"{number}"
        with nursery.begin(
            "paced", root=str(root), processes=1, rate=3000, seconds=0.2 + number % 5 / 10, end=False
        ) as child:
            with Follower("run", Path(child.hear("folder:"))) as follower:
                child.hear("written")
                child.kill()
                found = follower.end()
            assert child.wait() == signal.SIGKILL
        assert found["state"] == "interrupted"
        acknowledged += held_against(found, child.counts(), "change", "log")
        shutil.rmtree(root)
    tally(
        test="follow of a writer that is killed",
        trials=acknowledged,
        faults=kills,
        acknowledged=acknowledged,
        control=control(nursery, tmp_path),
    )


@contextmanager
def short_queue(length: int) -> Iterator[None]:
    """Let queues of events that are made meanwhile be short; it is the machine's setting, and is put back at once."""
    try:
        before = QUEUE.read_text()
        QUEUE.write_text(f"{length}\n")
    except OSError as error:
        pytest.skip(f"the length of the queue of events can't be set here: {error}")
    try:
        yield
    finally:
        QUEUE.write_text(before)


def stop_for(follower: Follower, seconds: float) -> None:
    """Let the process stand still."""
    follower.send(signal.SIGSTOP)
    time.sleep(seconds)
    follower.send(signal.SIGCONT)


def control(nursery: Any, tmp_path: Path) -> str:
    """What a reader that takes unfinished lines for lines makes of the like."""
    hasty = read_hastily(nursery, tmp_path / "control")
    assert hasty.lost
    return f"a hasty reader took {hasty.damaged:,} lines for damaged and {hasty.lost:,} for lost within 0.3 s"
