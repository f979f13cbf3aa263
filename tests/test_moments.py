"""A reader and a writer at once: what happens between two looks of a reader never looks wrong to it."""

from __future__ import annotations

import pytest

from runfolio import Status, load_run, manifest
from runfolio.history import History, _SegmentReader


@pytest.fixture
def meanwhile(monkeypatch):
    """Lets something happen once, just before a function of the reader's is called."""

    def let(owner, name, happen) -> None:
        real, due = getattr(owner, name), [happen]

        def first(*arguments, **options):
            if due:
                due.pop()()
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, first)

    return let


def test_a_run_that_ends_before_its_manifest_is_read_is_whole(meanwhile):
    status = Status()
    status.log("before")
    run = load_run(status.folder)
    status.log("after")
    meanwhile(manifest, "read", status.complete)
    assert (run.refresh().state, run.damage) == ("completed", [])


def test_a_run_that_ends_after_its_manifest_was_read_is_whole(meanwhile):
    status = Status()
    status.log("before")
    run = load_run(status.folder)
    meanwhile(History, "refresh", status.complete)
    assert (run.refresh().state, run.damage) == ("completed", [])


def test_a_run_that_begins_and_ends_after_its_manifest_was_looked_for_is_whole(meanwhile, root):
    status = Status()
    status.start()
    (status.folder / "run.json").unlink()

    def end() -> None:
        status.log("more")
        status.complete()

    meanwhile(History, "refresh", end)
    run = load_run(status.folder)
    assert (run.state, run.damage) == ("completed", [])


def test_a_run_that_is_resumed_after_its_locks_were_asked_is_in_progress(meanwhile):
    status = Status()
    status.fail("on purpose")
    run, resumed = load_run(status.folder), []
    meanwhile(History, "refresh", lambda: resumed.append(Status.resume(status.folder)))
    assert run.refresh().state == "in_progress"
    resumed[0].complete()


def test_a_writer_that_joins_after_the_locks_were_asked_has_no_torn_tail(meanwhile):
    status, guests = Status(), []
    status.start()
    run = load_run(status.folder)

    def join() -> None:
        guests.append(Status.join(status.folder))
        guests[0].record_change("UPDATE", "age")
        (journal,) = status.folder.glob("changes.*.jsonl")
        with journal.open("ab") as file:
            file.write(b'{"kind":"change","se')  # as seen while it is written

    meanwhile(History, "refresh", join)
    assert (run.refresh().state, run.damage) == ("in_progress", [])
    guests[0].close()
    status.complete()


def test_a_record_that_begins_a_journal_after_they_were_listed_is_not_lost(meanwhile):
    status = Status()
    status.start()
    run = load_run(status.folder)

    def write() -> None:
        status.record_change("UPDATE", "age")
        status.log("behind it")

    meanwhile(_SegmentReader, "read", write)
    assert (run.refresh().damage, len(run.changes)) == ([], 1)
    status.complete()
