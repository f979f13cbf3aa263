"""What `follow` says at the end of a run, and how soon."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
import warnings
from pathlib import Path

import pytest

from runfolio import Status, follow
from runfolio.errors import DamageWarning, InterruptedRunWarning


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
