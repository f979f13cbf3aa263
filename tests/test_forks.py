"""Forked children: whatever of the parent's they hold is theirs, and none of them waits for who is not there."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable

import pytest

from runfolio import Status, follow, list_runs, load_run
from runfolio.errors import DamageWarning, UsageError, WriteWarning

from .fulldisk import file_size_limit


def in_child(act: Callable[[], object]) -> None:
    """Do something in a forked child, which has ten seconds, and see it succeed."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def log_part(number: int) -> None:
    _status.log(f"part {number}")


_status: Status


def test_a_pool_that_is_made_before_anything_was_recorded_writes_one_run(root):
    global _status
    with Status() as _status, multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(log_part, range(6), chunksize=1)
    messages = [event.message for event in load_run(str(_status.folder)).events if event.type == "log"]
    assert sorted(map(str, messages)) == [f"part {number}" for number in range(6)]
    assert len(list_runs(root)) == 1


def test_a_run_that_had_not_begun_is_not_begun_by_a_child(root):
    status = Status()

    def record() -> None:
        with pytest.raises(UsageError, match="had not begun when this process was forked"):
            status.log("too early")

    in_child(record)
    assert len(list_runs(root)) == 0


def test_a_step_that_outlives_its_status_records_in_the_child_s_own_journals():
    step = Status().step("Loader", "a")
    gc.collect()
    with step:
        in_child(lambda: [step.log(f"child {number}") for number in range(5)])
        for number in range(5):
            step.log(f"parent {number}")
    recorder = step._recorder
    folder = recorder.writer.folder
    recorder.end("completed", None)
    messages = [event.message for event in load_run(folder).events if event.type == "log"]
    assert len(messages) == len(set(messages)) == 10


@pytest.fixture
def busy():
    """Has a thread do something again and again."""
    stopped, threads = threading.Event(), []

    def begin(act: Callable[[], object]) -> None:
        def loop() -> None:
            while not stopped.is_set():
                act()

        threads.append(threading.Thread(target=loop))
        threads[-1].start()

    yield begin
    stopped.set()
    for thread in threads:
        thread.join()


def test_a_run_that_another_thread_was_reading_is_whole_in_the_child(status, busy):
    run = load_run(status.folder)
    busy(run.refresh)

    def ask() -> None:
        assert len(run.snapshots) == 5
        assert run.refresh().damage == []

    for _ in range(10):
        in_child(ask)


def test_what_the_parent_follows_is_followed_anew_by_a_child(status):
    with follow(status.folder, timeout=0.2) as following:
        next(following)

        def go_on() -> None:
            following._ready.clear()
            with pytest.raises(UsageError, match="follow it anew here"):
                next(following)
            with follow(status.folder, timeout=0.2) as own:
                assert next(own).seq == 1

        in_child(go_on)


def test_what_the_parent_lost_is_not_told_by_the_child_again():
    status = Status(on_write_error="warn")
    status.record_change("UPDATE", "kept")
    size = (status.folder / "changes.jsonl").stat().st_size
    with file_size_limit(size + 10), pytest.warns(WriteWarning, match="bytes were written"):
        status.record_change("UPDATE", "lost")
    in_child(lambda: (status.log("here"), status.close()))
    with pytest.warns(WriteWarning, match="lost: 1$"):
        status.complete()
    with pytest.warns(DamageWarning):
        assert load_run(status.folder).lost == 1
