"""What wakes a reader: events while they come, polling where they don't, and a round whatever happens."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runfolio import alarm
from runfolio.alarm import Alarm


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "folder"
    found.mkdir()
    return found


@pytest.fixture
def ringing(folder: Path) -> Iterator[Alarm]:
    """An alarm that watches the folder, and of which nothing is to be heard yet."""
    found = Alarm()
    found.add(folder)
    found.wait(0)
    found.due()
    found.found(folder, anything=False)
    yield found
    found.close()


def watched(ringing: Alarm) -> alarm._Watched:
    (found,) = ringing._folders.values()
    return found


def wait_for_ring(ringing: Alarm, folder: Path, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ringing.wait(0.1)
        if folder in ringing.due():
            return True
    return False


def begin_round(ringing: Alarm) -> None:
    """Let the second be over."""
    ringing._round = time.monotonic()
    assert ringing.wait(0)


def test_a_file_that_grows_rings(ringing, folder):
    (folder / "file").write_text("x")
    assert wait_for_ring(ringing, folder)


def test_to_read_a_file_does_not_ring(ringing, folder):
    (folder / "file").write_text("x")
    assert wait_for_ring(ringing, folder)
    wait_for_ring(ringing, folder, 0.3)
    (folder / "file").read_text()
    list(folder.iterdir())
    assert not wait_for_ring(ringing, folder, 0.5)


def test_a_folder_behind_a_link_rings(tmp_path, folder):
    link = tmp_path / "link"
    link.symlink_to(folder)
    ringing = Alarm()
    ringing.add(link)
    ringing.wait(0)
    ringing.due()
    (folder / "file").write_text("x")
    assert wait_for_ring(ringing, link)
    ringing.close()


def test_who_rings_while_nobody_waits_ends_the_next_wait(ringing):
    ringing.ring()
    ringing.due()
    begun = time.monotonic()
    ringing.wait(5)
    assert time.monotonic() - begun < 0.5


def test_the_watch_of_a_folder_is_dropped_while_it_is_hot(ringing, folder):
    assert not watched(ringing).is_polled
    for _ in range(alarm._HOT_LOOKS):
        ringing.ring(folder)
        ringing.due()
        ringing.found(folder, anything=True)
    assert watched(ringing).is_polled
    watched(ringing).last -= alarm.COOL_SECONDS
    ringing.found(folder, anything=False)
    assert not watched(ringing).is_polled and folder in ringing.due(), "what came before the watch is looked for"


def test_a_folder_that_takes_the_place_of_another_is_watched_anew(ringing, folder):
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    begin_round(ringing)
    ringing.due()
    (folder / "file").write_text("x")
    assert wait_for_ring(ringing, folder)


def test_rounds_that_find_what_no_event_told_of_make_it_polled_for_good(ringing, folder):
    for _ in range(alarm._MISSES):
        assert not watched(ringing).is_polled
        begin_round(ringing)
        ringing.found(folder, anything=True)
    assert watched(ringing).is_polled
    watched(ringing).last -= alarm.COOL_SECONDS
    ringing.found(folder, anything=False)
    begin_round(ringing)
    assert watched(ringing).is_polled


def test_looks_that_come_before_their_event_are_no_sign_that_none_come(ringing, folder):
    for _ in range(5):
        ringing.found(folder, anything=True)  # of a reader who did not wait
    for _ in range(5):
        begin_round(ringing)
        ringing.ring(folder)  # which is heard only after the look
        ringing.found(folder, anything=True)
        ringing.due()
    assert not watched(ringing).is_polled


@pytest.mark.parametrize("error", [OSError(28, "inotify watch limit reached"), OSError(24, "instance limit reached")])
def test_a_folder_that_can_not_be_watched_is_polled_and_watched_when_it_can_be(folder, monkeypatch, error):
    def refuse(*_: object, **__: object) -> None:
        raise error

    ringing = Alarm()
    with monkeypatch.context() as patched:
        patched.setattr("watchdog.observers.api.BaseObserver.schedule", refuse)
        ringing.add(folder)
        assert watched(ringing).is_polled and folder in ringing.due()
        begin_round(ringing)
        assert watched(ringing).is_polled
    begin_round(ringing)
    assert not watched(ringing).is_polled
    ringing.close()


@pytest.mark.parametrize("poll", [True, False], ids=["polled", "without watches"])
def test_a_quiet_folder_that_is_polled_is_looked_at_now_and_then(folder, monkeypatch, poll):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("watchdog.observers.api.BaseObserver.schedule", refuse)
    ringing = Alarm(poll=poll)
    ringing.add(folder)
    watched(ringing).last -= 60
    looks, deadline = 0, time.monotonic() + 1
    while time.monotonic() < deadline:
        ringing.wait()
        ringing.found(folder, anything=bool(folder not in ringing.due()))
        looks += 1
    assert looks < 10, "it is busy"
    ringing.close()


def test_polling_alone_starts_no_thread(folder):
    before = threading.active_count()
    ringing = Alarm(poll=True)
    ringing.add(folder)
    assert threading.active_count() == before and folder in ringing.due() and folder in ringing.due()
    ringing.close()


def test_nothing_is_left_of_one_that_is_closed(folder):
    def left() -> tuple[set[threading.Thread], list[str]]:
        names = []
        for fd in list(Path("/proc/self/fd").iterdir()):
            try:
                names.append(str(fd.readlink()))
            except FileNotFoundError:
                continue
        return set(threading.enumerate()), [name for name in names if "inotify" in name]

    before = left()
    ringing = Alarm()
    ringing.add(folder)
    assert left() != before, "it has threads and a descriptor"
    ringing.close()
    ringing.close()
    assert left() == before


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_without_the_watches_of_its_parent(ringing, folder):
    pid = os.fork()
    if pid == 0:
        try:
            begin_round(ringing)
            ok = wait_for_ring(ringing, folder)  # though nothing came: it is polled, some milliseconds after a look
            for _ in range(alarm._HOT_LOOKS):
                ringing.found(folder, anything=True)
            ringing.remove(folder)
            ringing.close()
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    (folder / "file").write_text("x")
    assert wait_for_ring(ringing, folder), "the child took the parent's watch"
