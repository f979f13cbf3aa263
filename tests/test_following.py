"""Following live runs: every record once and in order, whatever happens to files, watches and readers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from runfolio import Status, follow, follow_root, load_run
from runfolio.alarm import Alarm
from runfolio.errors import DamageWarning, FormatError, InterruptedRunWarning, NotFoundError, UsageError
from runfolio.feed import Feed

WRITER = """
import os, sys, time
from runfolio import Status
status = Status(root=sys.argv[1])
status.start()
print(status.folder, flush=True)
for number in range(int(sys.argv[2])):
    if number % 3:
        status.record_change("UPDATE", str(number), {"text": "x" * (number % 300)})
    else:
        status.log(str(number))
    time.sleep(float(sys.argv[3]))
print("done", flush=True)
if sys.argv[4] == "complete":
    status.complete()
else:
    time.sleep(60)
"""


class Writer:
    """A process that writes a run: so many records, with a pause behind each."""

    def __init__(self, root: Path, number: int, pause: float = 0.0, end: str = "complete") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), str(number), str(pause), end], stdout=subprocess.PIPE, text=True
        )
        self.folder = Path(self._process.stdout.readline().strip())

    def wait_until_done(self) -> None:
        assert self._process.stdout.readline() == "done\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.stdout.close()


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Fail a test that leaves a thread of a watch behind."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while left := [one for one in set(threading.enumerate()) - before if one.is_alive() and "asyncio" not in one.name]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def records_of(folder: Path) -> list:
    return load_run(folder)._history.timeline.of("snapshot", "change", "timing", "result", "schema", "event")


def numbers_of(records: list) -> list[str]:
    return [
        record.message if hasattr(record, "message") else record.target
        for record in records
        if getattr(record, "type", "") in ("log", "UPDATE")
    ]


class TestARun:
    def test_that_has_ended_is_given_as_it_was_loaded(self, status):
        status.complete()
        following = follow(status)
        assert list(following) == records_of(status.folder)
        assert (following.state, following.run_id) == ("completed", status.run_id)

    @pytest.mark.parametrize("poll", [False, True], ids=["events", "polling"])
    @pytest.mark.parametrize(("number", "pause"), [(30, 0.01), (3000, 0.0)], ids=["slow", "fast"])
    def test_that_goes_on_is_given_once_and_in_order(self, root, number, pause, poll):
        with Writer(root, number, pause) as writer:
            following = follow(writer.folder, poll=poll)
            found = list(following)
        assert [record.seq for record in found] == list(range(1, len(found) + 1))
        assert numbers_of(found) == [str(one) for one in range(number)]
        assert found == records_of(writer.folder) and following.state == "completed"

    def test_that_failed_ends_so(self, status):
        status.fail("on purpose")
        following = follow(status, kinds=["timing"])
        assert [record.module_name for record in following] == ["Loader", "Preprocessor"]
        assert following.state == "failed"

    def test_that_is_killed_ends_with_a_warning_and_all_its_records(self, root):
        with Writer(root, 50, end="wait") as writer:
            writer.wait_until_done()
            following = follow(writer.folder)
            found = [next(following) for _ in range(50)]
            writer.kill()
            begun = time.monotonic()
            with pytest.warns(InterruptedRunWarning, match="is interrupted: its writer, process .* is gone"):
                found += list(following)
            assert time.monotonic() - begun < 10
        assert numbers_of(found) == [str(one) for one in range(50)] and following.state == "interrupted"

    def test_from_now_on_is_what_comes(self, status):
        with follow(status, start="now", kinds="event") as following:
            status.log("new")
            assert next(following).message == "new"

    def test_kinds_are_those_wanted(self, status):
        status.complete()
        found = {type(record).__name__ for record in follow(status, kinds=("result", "schema"))}
        assert found == {"Result", "Schema"}

    def test_ends_by_its_timeout_where_nothing_comes(self, status):
        following = follow(status, timeout=0.05)
        assert len(list(following)) == len(records_of(status.folder)) and following.state == "in_progress"

    def test_ends_when_it_is_told_to(self, status):
        stop = threading.Event()
        following = follow(status, stop=stop)
        assert next(following).type == "segment"
        threading.Timer(0.2, stop.set).start()
        assert len(list(following)) == len(records_of(status.folder)) - 1

    def test_ends_when_it_is_closed_by_another_thread(self, status):
        following = follow(status, start="now")
        threading.Timer(0.2, following.close).start()
        assert list(following) == []

    def test_that_was_not_begun_or_is_not_there_is_an_error(self, root):
        with pytest.raises(UsageError, match="no folder yet"):
            follow(Status())
        with pytest.raises(NotFoundError):
            follow("nightly")

    @pytest.mark.parametrize("wrong", [{"start": "end"}, {"kinds": "logs"}, {"kinds": ["event", 3]}])
    def test_wrong_arguments_are_refused(self, status, wrong):
        with pytest.raises(UsageError) as caught:
            follow(status, **wrong)
        assert caught.value.key in wrong

    def test_is_given_back_when_its_consumer_raises(self, status):
        def consume() -> None:
            for record in follow(status):
                raise LookupError(record.seq)

        with pytest.raises(LookupError):
            consume()

    def test_is_given_back_when_it_is_dropped(self, status):
        for record in follow(status):
            assert record.seq == 1
            break


class TestSeveralWriters:
    def test_are_merged_and_each_keeps_its_order(self, status):
        with follow(status, timeout=0.5) as following:
            found = [next(following)]
            with Status.join(status.folder) as guest:
                for number in range(20):
                    guest.record_change("UPDATE", f"guest-{number}")
                    status.record_change("UPDATE", f"host-{number}")
            status.complete()
            found += list(following)
        assert len(found) == len(records_of(status.folder))
        names = [record.target for record in found if getattr(record, "type", "") == "UPDATE"]
        for who in ("guest", "host"):
            own = [name for name in names if name.startswith(who)]
            assert own == [f"{who}-{number}" for number in range(20)]

    def test_the_end_waits_for_guests_that_are_about_to_leave(self, status):
        guest = Status.join(status.folder)
        with follow(status) as following:
            status.complete()
            guest.log("just after the end")
            threading.Timer(0.3, guest.close).start()
            assert "just after the end" in [getattr(record, "message", "") for record in following]

    def test_the_end_does_not_wait_for_those_that_stay(self, status, monkeypatch):
        monkeypatch.setattr("runfolio.feed.LEAVING_SECONDS", 0.2)
        with Status.join(status.folder):
            status.complete()
            following = follow(status)
            assert list(following) and following.state == "completed"


class TestFoldersThatChange:
    def test_one_that_is_removed_is_an_error(self, root):
        with Writer(root, 3, end="wait") as writer, follow(writer.folder, start="now", kinds="result") as following:
            shutil.rmtree(writer.folder)
            with pytest.raises(FormatError, match="no run folder"):
                next(following)
            assert list(following) == []

    def test_one_that_is_replaced_by_its_copy_goes_on_and_gives_nothing_twice(self, root):
        with Writer(root, 40, end="wait") as writer:
            writer.wait_until_done()
            with follow(writer.folder, timeout=1.5) as following:
                found = [next(following) for _ in range(20)]
                aside = writer.folder.with_name("aside")
                shutil.copytree(writer.folder, aside)
                shutil.rmtree(writer.folder)
                aside.rename(writer.folder)
                with (writer.folder / "events.jsonl").open("ab") as file:
                    file.write(Line(writer.folder).next("came later"))
                found += list(following)
        assert numbers_of(found) == [*(str(one) for one in range(40)), "came later"]

    def test_one_that_another_run_replaces_is_an_error(self, status, root):
        with Writer(root, 3, end="wait") as writer, follow(writer.folder, kinds="result") as following:
            writer.wait_until_done()
            following._feed.take()
            shutil.rmtree(writer.folder)
            shutil.copytree(status.folder, writer.folder)
            with pytest.raises(FormatError, match="is now in the place of"):
                next(following)

    def test_a_line_that_comes_in_pieces_is_given_once_it_is_whole(self, status, tmp_path):
        folder = shutil.copytree(status.folder, tmp_path / "copy")
        line = Line(folder).next("in pieces")
        with Feed(folder) as feed, (folder / "events.jsonl").open("ab", buffering=0) as file:
            feed.skip()
            for piece in (line[:10], line[10:-1]):
                file.write(piece)
                assert feed.take() == []
            file.write(line[-1:])
            assert [record.message for record in feed.take()] == ["in pieces"]


class Line:
    """A line that another writer of this segment would write next."""

    def __init__(self, folder: Path) -> None:
        self._seq = max(record.seq for record in records_of(folder))
        self._event = next(record for record in records_of(folder) if getattr(record, "type", "") == "segment")

    def next(self, message: str) -> bytes:
        from msgspec import structs

        from runfolio import codec

        fields = {"seq": self._seq + 1, "type": "log", "message": message, "level": "info", "context": {}}
        return codec.encode(structs.replace(self._event, **fields))


class TestARoot:
    def test_gives_runs_that_are_there_and_that_appear(self, root):
        with Status(name="old") as old:
            old.log("old")
        with Status(name="live") as live:
            live.log("live")
            with follow_root(kinds="event", timeout=1.5) as following:
                found = []
                with Status(name="new") as new:
                    new.log("new")
                found = [(run_id, event.message) for run_id, event in following if event.type == "log"]
        assert sorted(found) == sorted([(old.run_id, "old"), (live.run_id, "live"), (new.run_id, "new")])

    def test_from_now_on_is_what_comes(self, root):
        with Status(name="old") as old:
            old.log("old")
        with Status(name="live") as live:
            live.log("before")
            with follow_root(start="now", kinds="event", timeout=1.5) as following:
                live.log("after")
                found = [event.message for _, event in following if event.type == "log"]
        assert found == ["after"]

    def test_need_not_be_there_yet(self, root):
        with follow_root(root, kinds="event", timeout=2.5) as following:
            with Status(root=root) as status:
                status.log("first")
            assert "first" in [event.message for _, event in following]

    def test_a_run_that_is_removed_does_not_end_it(self, root):
        with (
            Writer(root, 3, end="wait") as writer,
            follow_root(root, start="now", timeout=1.5) as following,
            Status(name="other") as other,
        ):
            shutil.rmtree(writer.folder)
            other.log("still here")
            assert "still here" in [getattr(record, "message", "") for _, record in following]

    def test_that_is_a_file_is_an_error(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(NotFoundError):
            follow_root(tmp_path / "file")


class TestAsync:
    def test_gives_the_same(self, status):
        status.complete()

        async def all_of() -> list:
            return [record async for record in follow(status)]

        assert asyncio.run(all_of()) == records_of(status.folder)

    def test_a_wait_that_is_cancelled_loses_nothing(self, status):
        async def two() -> list[str]:
            with follow(status, start="now", kinds="event") as following:
                for _ in range(3):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(anext(following), 0.05)
                status.log("first")
                found = [(await anext(following)).message]
                status.log("second")
                return [*found, (await asyncio.wait_for(anext(following), 10)).message]

        assert asyncio.run(two()) == ["first", "second"]


class TestWhereEventsFail:
    def test_a_watch_that_can_not_be_had_costs_only_time(self, root, monkeypatch):
        def refuse(*_: object, **__: object) -> None:
            raise OSError(28, "inotify watch limit reached")

        monkeypatch.setattr("watchdog.observers.api.BaseObserver.schedule", refuse)
        with Writer(root, 30, 0.01) as writer:
            found = list(follow(writer.folder))
        assert numbers_of(found) == [str(one) for one in range(30)]

    def test_events_that_never_come_are_done_without(self, root, monkeypatch):
        monkeypatch.setattr(Alarm, "ring", lambda *_: None)
        with Writer(root, 40, 0.1) as writer, follow(writer.folder, kinds="event") as following:
            found = list(following)
        assert numbers_of(found) == [str(one) for one in range(0, 40, 3)]


@pytest.fixture
def copied(status: Status, tmp_path: Path) -> Path:
    """A copy of a live run, without a lock."""
    folder = tmp_path / "copy"
    shutil.copytree(status.folder, folder)
    (folder / "main.lock").unlink()
    return folder


def test_the_end_is_told_though_its_record_is_not_wanted(status):
    following = follow(status, kinds="result", timeout=5)
    found = [next(following), next(following)]
    status.complete()
    begun = time.monotonic()
    assert list(following) == [] and len(found) == 2
    assert following.state == "completed" and time.monotonic() - begun < 0.8


def test_the_warning_of_an_interrupted_run_names_the_line_that_iterates(copied, monkeypatch):
    monkeypatch.setattr("runfolio.feed.AWAY_SECONDS", 0.1)
    with pytest.warns(InterruptedRunWarning) as caught:
        for _ in follow(copied):
            pass
    assert [Path(one.filename) for one in caught] == [Path(__file__)]


def test_damage_is_told_once_and_hides_nothing(status, tmp_path):
    status.log("x")
    status.complete()
    folder = tmp_path / "copy"
    shutil.copytree(status.folder, folder)
    path = folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"damaged" + lines[2], *lines[3:]]))
    with pytest.warns(DamageWarning, match="is damaged: .* and 1 more") as caught:
        found = list(follow(folder))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(found) == len(list(follow(status))) - 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_is_forked_while_a_thread_waits_can_drop_what_it_inherited(status):
    following = follow(status, start="now", kinds="event")
    found = []
    waiting = threading.Thread(target=lambda: found.append(next(following).message))
    waiting.start()
    time.sleep(0.2)
    pid = os.fork()
    if pid == 0:
        signal.alarm(5)  # which ends it, should it hang
        following.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    status.log("after")
    waiting.join(10)
    assert found == ["after"]
    following.close()


def test_a_signals_handler_may_close_what_waits(status):
    following = follow(status, start="now")
    before = signal.signal(signal.SIGALRM, lambda *_: following.close())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert list(following) == []
    finally:
        signal.signal(signal.SIGALRM, before)
