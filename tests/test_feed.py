"""A feed: what comes into a folder, whatever becomes of that folder; what it keeps, and what it leaves alone."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from runfolio import Status, follow, journal, load_run
from runfolio.errors import FormatError
from runfolio.feed import Feed, RootFeed


def drain(feed: Feed | RootFeed) -> list:
    found = []
    while (rows := feed.take()) or feed.has_more:
        found += rows
    return found


def targets(records: list) -> list[str]:
    return [record.target for record in records if getattr(record, "type", "") == "UPDATE"]


def take_for(feed: Feed, seconds: float) -> list:
    found, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline and not feed.is_over:
        found += feed.take()
        feed.wait(0.05)
    return found


def test_a_run_that_has_ended_is_read_without_a_thread_or_a_watch(status):
    status.complete()
    with Feed(status.folder) as feed:
        drain(feed)
        assert feed.is_over and feed._alarm._observer is None


def test_a_root_of_ended_runs_is_read_without_a_watch_for_each(root):
    for _ in range(5):
        with Status() as ended:
            ended.log("x")
    with RootFeed(root) as feed:
        drain(feed)
        assert feed.feeds == {} and list(feed._alarm._folders) == [root]


def test_from_now_on_runs_that_have_ended_are_not_even_read(root, monkeypatch):
    with Status() as ended:
        ended.log("x")
    opened = []
    monkeypatch.setattr("runfolio.feed.Feed", lambda folder, **_: opened.append(folder))
    with RootFeed(root, skips=True):
        assert opened == []


def test_a_folder_that_is_no_run_is_an_error(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(FormatError, match="is no run folder"):
        list(follow(folder))
    folder.rmdir()
    with Feed(folder) as feed, pytest.raises(FormatError, match="no run folder at"):
        feed.take()


def test_a_run_goes_on_while_a_guest_writes_though_its_own_process_is_gone(root):
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            begun = Status(root=root)
            begun.log("here")
            os.write(sending, str(begun.folder).encode())
            time.sleep(60)
        finally:
            os._exit(1)
    os.close(sending)
    folder = Path(os.read(receiving, 4096).decode())
    os.close(receiving)
    with Feed(folder) as feed:
        with Status.join(folder) as guest:
            guest.record_change("UPDATE", "before")
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            assert targets(take_for(feed, 1.5)) == ["before"] and not feed.is_over
            guest.record_change("UPDATE", "after")
            assert targets(take_for(feed, 0.3)) == ["after"]
        take_for(feed, 10)
        assert feed.is_over and feed.state == "interrupted"


def test_a_folder_that_is_moved_away_and_back_goes_on(status):
    with Feed(status.folder) as feed:
        drain(feed)
        aside = status.folder.with_name("aside")
        status.folder.rename(aside)
        assert take_for(feed, 0.3) == []
        aside.rename(status.folder)
        status.record_change("UPDATE", "later")
        assert targets(take_for(feed, 0.5)) == ["later"]


def test_a_folder_that_stays_away_is_an_error(status, monkeypatch):
    monkeypatch.setattr("runfolio.feed.AWAY_SECONDS", 0.2)
    with Feed(status.folder) as feed:
        drain(feed)
        aside = status.folder.rename(status.folder.with_name("aside"))
        with pytest.raises(FormatError, match="no run folder at"):
            take_for(feed, 10)
        aside.rename(status.folder)


@pytest.mark.parametrize("first", ["changes.jsonl", "events.jsonl"])
def test_a_copy_that_comes_file_by_file_loses_and_repeats_nothing(status, tmp_path, first):
    """Records that came to the original after the last look are in the copy alone."""
    folder = tmp_path / "followed"
    shutil.copytree(status.folder, folder)
    with Feed(folder) as feed:
        seen = drain(feed)
        for number in range(10):
            status.record_change("UPDATE", f"{number}")
            status.log(f"{number}")
        shutil.rmtree(folder)
        folder.mkdir()
        names = sorted(os.listdir(status.folder), key=lambda name: (name != first, name))  # noqa: PTH208
        for name in names:
            if (status.folder / name).is_file():
                shutil.copy2(status.folder / name, folder / name)
                seen += take_for(feed, 0.15)
        shutil.copytree(status.folder / "results", folder / "results")
        seen += take_for(feed, 1)
        assert feed.damage == [] and not feed.is_over
    assert [record.seq for record in seen] == list(range(1, len(seen) + 1))
    assert targets(seen) == targets(load_run(status.folder).changes) != []


def test_a_line_that_is_lost_for_good_holds_nothing_up_for_long(status, tmp_path, monkeypatch):
    monkeypatch.setattr("runfolio.history.SETTLING_SECONDS", 0.3)
    folder = tmp_path / "followed"
    shutil.copytree(status.folder, folder)
    with Feed(folder) as feed:
        drain(feed)
        status.record_change("UPDATE", "lost")
        status.log("behind it")
        shutil.copy2(status.folder / "events.jsonl", folder / "new")
        (folder / "new").rename(folder / "events.jsonl")
        assert drain(feed) == []
        assert [record.message for record in take_for(feed, 3)] == ["behind it"]
        assert "a record is lost" in str(feed.damage[0])


def test_another_run_in_the_same_place_is_an_error_though_its_files_go_on_where_those_were(status, tmp_path):
    """A new file may have the number of one that was removed, and be longer."""
    folder = tmp_path / "followed"
    shutil.copytree(status.folder, folder)
    with Feed(folder) as feed:
        drain(feed)
        with Status(name="other") as other:
            for number in range(500):
                other.log(str(number))
        for path in other.folder.glob("*.*"):
            (folder / path.name).write_bytes(path.read_bytes())  # the same files, written over
        with pytest.raises(FormatError, match="is now in the place of"):
            take_for(feed, 5)


def test_one_run_of_a_root_is_given_block_by_block(status, root, monkeypatch):
    monkeypatch.setattr("runfolio.journal.BLOCK", 500)
    for number in range(300):
        status.record_change("UPDATE", str(number))
    with RootFeed(root) as feed:
        sizes, found = [], []
        while (rows := feed.take()) or feed.has_more:
            sizes.append(len(rows))
            found += [record for _, record in rows]
    assert max(sizes) < 30 and targets(found)[-300:] == [str(number) for number in range(300)]


def test_what_it_keeps_does_not_grow_with_what_it_gave(tmp_path):
    import tracemalloc

    with Status(root=tmp_path) as status:
        status.start()
        feed, sizes = Feed(status.folder), []
        for _ in range(4):
            for number in range(2000):
                status.record_change("UPDATE", str(number), {"text": "x" * 100})
            if not sizes:
                tracemalloc.start()
            drain(feed)
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        feed.close()
    assert sizes[-1] - sizes[1] < 100_000, "200 bytes for each record are 800,000"


def test_a_folder_that_goes_while_it_is_read_takes_nothing_with_it(status, monkeypatch):
    with Feed(status.folder) as feed:
        drain(feed)
        status.log("one")
        status.record_change("UPDATE", "two")
        aside = status.folder.with_name("aside")
        whole = type(feed._history._readers["main"])._is_whole

        def gone(reader: object, fresh: dict) -> bool:
            if status.folder.exists():
                status.folder.rename(aside)
            return False

        monkeypatch.setattr(type(feed._history._readers["main"]), "_is_whole", gone)
        first = feed.take()
        monkeypatch.setattr(type(feed._history._readers["main"]), "_is_whole", whole)
        aside.rename(status.folder)
        assert len(first + take_for(feed, 0.5)) == 2


def test_a_journal_that_can_not_be_opened_for_a_moment_is_read_later(status, monkeypatch):
    real = journal.open_regular

    def barred(path: Path) -> int:
        if path.name == "changes.jsonl":
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path)

    with Feed(status.folder) as feed:
        drain(feed)
        for number in range(3):
            status.log(f"{number}")
            status.record_change("UPDATE", f"c{number}")
        monkeypatch.setattr(journal, "open_regular", barred)
        first = feed.take()
        status.complete()
        first += feed.take()
        assert not feed.is_over
        monkeypatch.setattr(journal, "open_regular", real)
        rest = first + take_for(feed, 0.5)
        assert (targets(rest), feed.damage, feed.is_over) == (["c0", "c1", "c2"], [], True)
        assert [record.seq for record in rest] == list(range(rest[0].seq, rest[0].seq + len(rest)))


def records_of(folder: Path) -> list:
    return load_run(folder)._history.timeline.of("snapshot", "change", "timing", "result", "schema", "event")


class TestAFeed:
    def test_takes_a_block_at_a_time_and_gives_all_in_order(self, status, monkeypatch):
        monkeypatch.setattr("runfolio.journal.BLOCK", 500)
        for number in range(200):
            status.record_change("UPDATE", str(number))
            if number % 10 == 0:
                status.log(str(number))
        with Feed(status.folder) as feed:
            batches = []
            while (batch := feed.take()) or feed.has_more:
                batches.append(batch)
        found = [record for batch in batches for record in batch]
        assert found == records_of(status.folder)
        assert max(map(len, batches)) < 20

    def test_keeps_nothing_of_what_it_gave(self, status):
        with Feed(status.folder) as feed:
            while feed.take() or feed.has_more:
                pass
            streams = feed._history.timeline.streams.values()
            kept = [event.type for stream in feed._history.marks.streams.values() for event in stream["event"]]
        assert not any(any(stream.values()) for stream in streams) and kept == ["segment", "state"]

    def test_of_a_forked_child_leaves_its_parents_alone(self, status):
        with follow(status, start="now", kinds="event") as following:
            pid = os.fork()
            if pid == 0:
                following.close()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            status.log("after")
            assert next(following).message == "after"
