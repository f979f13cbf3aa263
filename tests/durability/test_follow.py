"""A process follows live writers: every record once and in order, at any rate and whatever happens on the way.

What came is held against the writers' own ledgers: what each acknowledged.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Self

import pytest

from .children import THREADS, fork
from .nursery import Child
from .oracle import read
from .test_kills import buffered_writing_loses
from .test_tail import read_hastily

SCRIPT = Path(__file__).with_name("follower.py")
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
SEED = 20261123


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

    def end(self, *children: Child) -> dict[str, Any]:
        """What it got, once it has come to the end by itself; until then what children acknowledge is taken.

        A child stops that nobody listens to, for its pipe is full within seconds.
        """
        for child in children:
            while child.listen(1):
                pass
        lines = self._process.communicate()[0].splitlines()
        assert self._process.returncode == 0
        return json.loads(lines[-1])

    def end_now(self) -> dict[str, Any]:
        """What it got so far."""
        self.send(signal.SIGTERM)
        return self.end()


def held_against(found: dict[str, Any], counts: dict[str, int], *kinds: str) -> int:
    """That it got what was acknowledged, each once and in order; returns how many records those are."""
    assert found["wrong"] == 0
    assert found["damage"] == []
    assert {kind: found["counts"][kind] for kind in kinds} == dict.fromkeys(kinds, counts)
    return len(kinds) * sum(counts.values())


PACES = {
    "one a second": ({"do": "paced", "rate": 1}, 60),
    "1,000 a second": ({"do": "paced", "rate": 1000}, 120),
    "as many as they can": ({"do": "crowd"}, None),
}
"""Of each what the writers do, all of them together, and for how many seconds when the run is long."""

RECORDS = 2_000_000
"""So many are written at full speed when the run is long."""


@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "case", [(pace, processes) for pace in PACES for processes in (1, 2, 4)], ids="{0[0]}, {0[1]}".format
)
def test_a_follower_gets_every_record_once_and_in_order(nursery, tmp_path, size, tally, case):
    pace, processes = case
    do, seconds = PACES[pace]
    wanted = dict(do, root=str(tmp_path / "runs"), processes=processes)
    if seconds is None:
        kinds, wanted["each"] = ["change"], size(20_000, RECORDS) // (processes * THREADS)
    else:
        kinds, wanted["seconds"] = ["change", "log"], size(2, seconds)
    with nursery.begin(**wanted) as child, Follower("run", Path(child.hear("folder:"))) as follower:
        found = follower.end(child)
        assert child.wait() == 0
    acknowledged = held_against(found, child.counts(), *kinds)
    assert acknowledged >= (size(20_000, RECORDS) if seconds is None else do["rate"] * wanted["seconds"] * 0.9)
    assert found["state"] == "completed"
    writers = "one writer" if processes == 1 else f"{processes} writers"
    span = "" if seconds is None else f" for {wanted['seconds']} s"
    tally(
        test=f"follow of {writers}, {pace}{span}: {acknowledged:,} records in {found['looks']:,} looks",
        trials=acknowledged,
        faults=found["looks"],
        acknowledged=acknowledged,
        control=control(nursery, tmp_path),
    )


@pytest.mark.timeout(0)
def test_a_follower_that_meets_torn_lines_waits_for_their_rest(nursery, tmp_path, size, tally):
    seconds = size(3, 600)
    with nursery.begin("paced", root=str(tmp_path / "runs"), processes=2, rate=1000, seconds=seconds, tear=20) as child:
        with Follower("run", Path(child.hear("folder:"))) as follower:
            found = follower.end(child)
        assert child.wait() == 0
    acknowledged = held_against(found, child.counts(), "change", "log")
    assert acknowledged >= 1000 * seconds * 0.9
    assert found["torn"] >= size(10, 10_000)
    tally(
        test=f"follow of 2 writers, 1,000 a second for {seconds} s, {found['torn']:,} torn lines met on the way",
        trials=acknowledged,
        faults=found["torn"],
        acknowledged=acknowledged,
        control=control(nursery, tmp_path),
    )


@pytest.mark.timeout(0)
def test_a_follower_whose_queue_of_events_overflows_loses_nothing(nursery, tmp_path, size, tally):
    """At 60 a second it never gets hot, and so keeps the watch that it had at first."""
    stops, still, between = size(1, 40), 1.5, 1.0
    seconds = stops * (still + between) + 2
    with nursery.begin("paced", root=str(tmp_path / "runs"), processes=2, rate=60, seconds=seconds) as child:
        folder = Path(child.hear("folder:"))
        with ExitStack() as stack:
            with short_queue(16):
                both = [stack.enter_context(Follower(what, folder)) for what in ("run", "a line for each event")]
                for one in both:
                    one.wait_until_ready()
            for _ in range(stops):
                stop_for(child, still, *both)  # what is written meanwhile is more than fits
                child.listen(between)
            found = both[0].end(child)
            lines = both[1].end_now()["lines"]
        assert child.wait() == 0
    acknowledged = held_against(found, child.counts(), "change", "log")
    assert found["overflows"] > stops / 2, "no event was lost"
    assert lines < acknowledged
    tally(
        test=f"follow with a queue of 16 events, stopped {stops} times until more came: {acknowledged:,} records",
        trials=acknowledged,
        faults=found["overflows"],
        acknowledged=acknowledged,
        control=f"a reader that takes a line for each event missed {acknowledged - lines:,}",
    )


@pytest.mark.timeout(0)
def test_a_follower_of_more_runs_than_can_be_watched_gets_all(nursery, tmp_path, size, tally):
    """The limit is that of a user namespace, in which the follower is alone, and goes with it."""
    inside = 'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"'
    namespace = ["unshare", "--user", "--map-root-user", "sh", "-c", inside, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("there are no user namespaces here, so that no limit of watches can be set for one process")
    root, seconds = tmp_path / "runs", size(4, 60)
    children = [nursery.begin("paced", root=str(root), processes=1, rate=50, seconds=seconds) for _ in range(10)]
    folders = [child.hear("folder:") for child in children]
    with (
        Follower("root", root, before=namespace) as follower,
        Follower("root by events alone", root, before=namespace) as trusting,
    ):
        found = follower.end(*children)
        got = sum(sum(counts.values()) for counts in trusting.end_now()["counts"].values())
    for child in children:
        assert child.wait() == 0
    counts = {
        f"{Path(folder).name}/{worker}": number
        for folder, child in zip(folders, children, strict=True)
        for worker, number in child.counts().items()
    }
    acknowledged = held_against(found, counts, "change", "log")
    assert found["unwatched"] >= 6, "all could be watched"
    assert got < acknowledged
    tally(
        test=f"follow of 10 runs with 5 watches, {found['unwatched']} folders without one: {acknowledged:,} records",
        trials=acknowledged,
        faults=found["unwatched"],
        acknowledged=acknowledged,
        control=f"a follower that trusts in events alone missed {acknowledged - got:,}",
    )


@pytest.mark.timeout(0)
def test_a_follower_that_is_stopped_and_continued_misses_nothing(nursery, tmp_path, size, tally):
    stops = size(4, 200)
    with nursery.begin("paced", root=str(tmp_path / "runs"), processes=2, rate=2000, seconds=0.6 * stops + 1) as child:
        with Follower("run", Path(child.hear("folder:"))) as follower:
            follower.wait_until_ready()
            for _ in range(stops):
                stop_for(child, 0.3, follower)
                child.listen(0.2)
            found = follower.end(child)
        assert child.wait() == 0
    acknowledged = held_against(found, child.counts(), "change", "log")
    tally(
        test=f"follow by a process that is stopped and continued {stops} times: {acknowledged:,} records",
        trials=acknowledged,
        faults=stops,
        acknowledged=acknowledged,
        control=control(nursery, tmp_path),
    )


@pytest.mark.timeout(0)
def test_a_follower_of_a_copy_that_is_replaced_again_and_again_loses_nothing(nursery, tmp_path, size, tally):
    """A live run is copied elsewhere, file by file in any order, as by rsync; and now and then from nothing."""
    copy, chance, copies = tmp_path / "copy", Random(7), 0
    with nursery.begin("paced", root=str(tmp_path / "runs"), processes=2, rate=500, seconds=size(4, 120)) as child:
        folder = Path(child.hear("folder:"))
        mirror(folder, copy, chance)
        with Follower("run", copy) as follower, ExitStack() as stack:
            follower.wait_until_ready()
            held = [stack.enter_context(path.open("rb")) for path in copy.glob("*.jsonl")]
            while child.listen(0.1):
                copies += 1
                if copies % 5 == 0:
                    shutil.rmtree(copy)
                mirror(folder, copy, chance)
            assert child.wait() == 0
            mirror(folder, copy, chance)
            found = follower.end()
            lines = sum(file.read().count(b"\n") for file in held)
    acknowledged = held_against(found, child.counts(), "change", "log")
    assert found["state"] == "completed"
    assert found["restarts"] > copies, "no journal was read anew"
    assert lines < acknowledged
    tally(
        test=f"follow of a copy that is replaced {copies:,} times: {acknowledged:,} records",
        trials=acknowledged,
        faults=found["restarts"],
        acknowledged=acknowledged,
        control=f"a reader that keeps its files open missed {acknowledged - lines:,}",
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


@pytest.mark.timeout(0)
def test_a_follower_of_a_writer_that_is_killed_gets_all_and_says_so(nursery, tmp_path, size, tally):
    """Four threads write as fast as they can; each may have one line in flight, of which a part may stand there."""
    kills, chance = size(6, 200), Random(SEED)
    acknowledged = torn = 0
    for number in range(kills):
        root = tmp_path / f"{number}"
        with nursery.begin("record_in_pieces" if number % 2 else "record", root=str(root), what="threads") as child:
            child.hear("change:")
            (folder,) = root.iterdir()
            with Follower("run", folder) as follower:
                assert child.listen(chance.uniform(0, 1))
                child.kill()
                found = follower.end(child)
            assert child.wait() == signal.SIGKILL
        written = Counter(label.removeprefix("change:").split("-")[0] for label in child.acknowledged if "-" in label)
        given = Counter(found["counts"]["change"])
        assert (found["wrong"], found["state"]) == (0, "interrupted")
        assert not written - given, "what was acknowledged is lost"
        assert all(count <= 1 for count in (given - written).values()), "more than was in flight"
        assert found["damage"] == list(map(str, read(folder).damage)), "it tells what a reader of the folder tells"
        acknowledged += written.total()
        torn += any(": torn:" in finding for finding in found["damage"])
        shutil.rmtree(root)
    assert torn >= size(1, 20), "no line was torn"
    lost, of = buffered_writing_loses(nursery, tmp_path, chance, size(3, 50))
    assert lost
    tally(
        test=f"follow of a writer that is killed, {torn} times inside of a line: {acknowledged:,} records",
        trials=acknowledged,
        faults=kills,
        acknowledged=acknowledged,
        control=f"buffered writing lost {lost:,} of {of:,}",
        seed=SEED,
    )


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("how", ["raises", "is killed"])
def test_the_length_of_queues_is_put_back_though_who_changed_it(how):
    def change() -> None:
        with suppress(LookupError), short_queue(16):
            assert QUEUE.read_text() == "16\n"
            if how == "is killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise LookupError

    before = length_of_queues()
    pid = fork(change)
    assert os.waitpid(pid, 0)[1] == (signal.SIGKILL if how == "is killed" else 0)
    with QUEUE.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # which is had once it was put back
        assert QUEUE.read_text() == before


@contextmanager
def short_queue(length: int) -> Iterator[None]:
    """Let queues of events that are made meanwhile be short.

    It is the machine's setting. One process at a time changes it, or a second one would put back what the first one
    set. A shell of its own puts it back when its input ends, which it does however this process ends.
    """
    length_of_queues()
    with QUEUE.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        put_back = f"read _; echo {QUEUE.read_text().strip()} > {QUEUE}"
        shell = subprocess.Popen(
            ["sh", "-c", put_back], stdin=subprocess.PIPE, pass_fds=[file.fileno()], start_new_session=True
        )
        try:
            QUEUE.write_text(f"{length}\n")
            yield
        finally:
            shell.communicate()


def length_of_queues() -> str:
    """The machine's setting; skips the test where it can't be set."""
    try:
        with QUEUE.open("r+"):
            return QUEUE.read_text()
    except OSError as error:
        pytest.skip(f"the length of the queue of events can't be set here: {error}")


def stop_for(child: Child, seconds: float, *followers: Follower) -> None:
    """Let processes stand still, while a child goes on."""
    for follower in followers:
        follower.send(signal.SIGSTOP)
    child.listen(seconds)
    for follower in followers:
        follower.send(signal.SIGCONT)


def control(nursery: Any, tmp_path: Path) -> str:
    """What a reader that takes unfinished lines for lines makes of the like."""
    hasty = read_hastily(nursery, tmp_path / "control")
    assert hasty.lost
    return f"a hasty reader took {hasty.damaged:,} lines for damaged and {hasty.lost:,} for lost within 0.3 s"
