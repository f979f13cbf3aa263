"""Further processes that take part in a run: files of their own, and the run is not theirs to end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from runfolio import Status, load_run
from runfolio.clock import Clock
from runfolio.errors import DuplicateKeyError, NotFoundError, RunEndedError, UsageError, WriteError
from runfolio.verification import verify

WORKER = """
import sys
from runfolio import Status
with Status.join(sys.argv[1]) as worker:
    for n in range(100):
        worker.record_change("UPDATE", f"{sys.argv[2]}-{n}")
    with worker.step("Worker", sys.argv[2], after=[("Loader", "csv")]) as step:
        step.result({"part": sys.argv[2]})
"""


@pytest.fixture
def begun(people) -> Status:
    status = Status(name="parent", tags=["t"])
    with status.step("Loader", "csv") as step:
        step.result(people)
    return status


def test_what_several_processes_record_at_once_is_all_there_in_each_ones_order(begun):
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(begun.folder), name]) for name in "abc"]
    for n in range(100):
        begun.record_change("UPDATE", f"main-{n}")
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    begun.complete()
    run = load_run(begun.folder)
    assert run.damage == [] and run.state == "completed"
    for name in ("main", "a", "b", "c"):
        found = [change.target for change in run.changes if change.target.startswith(f"{name}-")]
        assert found == [f"{name}-{n}" for n in range(100)]
    assert {f"Loader[csv]_Worker[{name}]" for name in "abc"} == set(run.get_result())
    assert len({change.change_id for change in run.changes}) == len(run.changes)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=begun.folder, check=True)


def test_a_guest_leaves_a_run_that_goes_on_and_can_not_end_it(begun):
    guest = Status.join(begun.folder)
    for end in (guest.complete, lambda: guest.fail("no")):
        with pytest.raises(UsageError, match="another process's; end it where it was begun"):
            end()
    guest.close()
    guest.close()
    with pytest.raises(RunEndedError, match="has left"):
        guest.log("late")
    assert begun.state == load_run(begun.folder).state == "in_progress"
    with pytest.raises(UsageError, match="this process began the run"):
        begun.close()
    begun.complete()


def test_an_error_that_leaves_a_guests_block_is_logged_and_does_not_fail_the_run(begun):
    with pytest.raises(ValueError, match="broken"), Status.join(begun.folder):
        raise ValueError("broken")
    (event,) = [event for event in begun.events if event.type == "log"]
    assert (event.level, event.message) == ("error", "ValueError: broken")
    assert begun.state == "in_progress"
    begun.complete()


def test_a_guest_goes_by_the_run(begun):
    with Status.join(begun.folder) as guest:
        assert (guest.run_id, guest.name, guest.tags) == (begun.run_id, "parent", ["t"])
        assert guest.get_result().keys() == {"Loader[csv]"}
        with pytest.raises(DuplicateKeyError):
            guest.store_result("Loader[csv]", {})
        with guest.step("Alone", "a") as step:
            assert step.key == "Alone[a]"
        with pytest.raises(NotFoundError):
            guest.step("Worker", "w", after=[("Loader", "other")])
    begun.complete()


def test_a_run_that_no_one_writes_can_not_be_joined(begun, tmp_path):
    begun.complete()
    with pytest.raises(UsageError, match="can't be joined: it is completed.*begin another run"):
        Status.join(begun.folder)
    status = Status()
    status.start()
    code = "import os, sys; from runfolio import Status; s = Status(root=sys.argv[1]); s.start(); print(s.folder); "
    killed = subprocess.run(
        [sys.executable, "-c", code + "sys.stdout.flush(); os.kill(os.getpid(), 9)", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    with pytest.raises(UsageError, match=r"it is interrupted.*go on with it by Status\.resume"):
        Status.join(killed.stdout.strip())
    status.complete()


def test_a_guest_notices_within_a_second_that_the_run_has_ended(begun):
    guest = Status.join(begun.folder)
    guest.log("in time")
    begun.complete()
    time.sleep(1)
    with pytest.raises(RunEndedError, match="is completed"):
        guest.log("late")
    guest.close()


def test_what_a_guest_wrote_just_after_the_end_is_told_in_totals_and_digests(begun):
    guest = Status.join(begun.folder)
    begun.complete()
    guest.log("late")
    guest.close()
    run = load_run(begun.folder)
    assert run.damage == [] and [event.message for event in run.events if event.type == "log"] == ["late"]
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=begun.folder, check=True)
    assert not list(begun.folder.glob("*.lock"))


def test_a_run_with_a_live_guest_can_not_be_resumed_once_its_own_writer_is_gone(tmp_path):
    code = (
        "import os, sys; from runfolio import Status; s = Status(root=sys.argv[1]); s.start(); "
        "print(s.folder, flush=True); sys.stdin.read(); os.kill(os.getpid(), 9)"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    folder = process.stdout.readline().strip()
    guest = Status.join(folder)
    process.communicate("")
    assert load_run(folder).state == "interrupted"
    with pytest.raises(UsageError, match="can't be resumed: its writer, process .* holds its lock"):
        Status.resume(folder)
    guest.close()
    resumed = Status.resume(folder)
    resumed.complete()
    assert load_run(folder).damage == []


def test_a_joined_copy_is_written_to_and_the_original_is_not(begun, tmp_path):
    shutil.copytree(begun.folder, tmp_path / "copy")
    with Status.join(tmp_path / "copy") as guest:
        guest.store_result("x", pd.DataFrame({"a": [1]}))
    assert "x" not in begun.results and "x" in load_run(tmp_path / "copy").results
    begun.complete()


def test_a_run_that_had_guests_is_resumed_where_its_own_process_left_it(tmp_path):
    status = Status(root=tmp_path)
    status.log("begun")
    with Status.join(status.folder) as guest:
        guest.record_change("UPDATE", "age")  # its journal is the first by name
    with (status.folder / "events.jsonl").open("ab") as file:
        file.write(b'{"kind":"event","se')
    status._recorder.writer._owned[0].close(ended=False)
    again = Status.resume(status.folder)
    headers = [event.context for event in again.events if event.type == "segment"]
    assert headers[-1]["continues"]["writer"] == "main"
    again.complete()
    assert load_run(status.folder).damage == []


def test_a_snapshot_that_a_guest_took_by_a_clock_that_is_ahead_can_be_restored(tmp_path):
    """The restore, and what comes after it, stands behind its snapshot whatever the clocks say."""
    ahead = Clock(now=lambda: datetime.now(UTC) + timedelta(hours=1))
    with Status(root=tmp_path) as status:
        status.store_result("before", {"n": 0})
        with Status.join(status.folder, clock=ahead) as guest:
            taken = guest.record_snapshot("Hand", "x").snapshot_id
        for number in range(3):
            status.restore_from_snapshot(taken)
            assert list(status.results) == list(load_run(status.folder).results) == ["before"]
            status.store_result("after", {"n": number})
            assert list(status.results) == list(load_run(status.folder).results) == ["before", "after"]
        moment = status.record_snapshot("Hand", "y").snapshot_id
        with Status.join(status.folder) as guest:
            guest.restore_from_snapshot(moment)
            assert list(guest.results) == ["before", "after"]
            guest.restore_from_snapshot(taken)
            assert list(guest.results) == ["before"]
        assert list(status.results) == ["before"]
    assert list(load_run(status.folder).results) == ["before"]


def test_who_could_not_resume_a_run_may_try_again(tmp_path, monkeypatch):
    """The error is kept, and with it all that was on the way: nothing of it holds the lock."""
    with pytest.raises(LookupError), Status(root=tmp_path) as status:
        raise LookupError
    in_the_way = status.folder / "snapshots.aaaaaaaa.jsonl"
    in_the_way.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("runfolio.layout.token", lambda length: "a" * length)
        with pytest.raises(WriteError, match="could not write") as caught:
            Status.resume(status.folder)
    in_the_way.rmdir()
    with Status.resume(status.folder) as again:
        again.log("it goes on")
    assert caught.value.file == str(in_the_way) and load_run(status.folder).state == "completed"


def test_a_guest_that_notices_the_end_within_its_block_leaves_totals_digests_and_no_lock(begun):
    def take_part() -> None:
        with Status.join(begun.folder) as guest:
            begun.complete()
            for number in range(1000):
                guest.log(f"after the end {number}")
                time.sleep(0.01)

    with pytest.raises(RunEndedError):
        take_part()
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=begun.folder, check=False).returncode == 0
    assert not list(begun.folder.glob("*.lock"))
    found = verify(begun.folder)
    assert (found.findings, found.notes) == ([], [])


def test_a_guest_of_a_run_whose_own_process_is_gone_says_so(tmp_path):
    code = "import sys; from runfolio import Status; s = Status(root=sys.argv[1]); s.start(); print(s.folder); input()"
    own = subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with own, Status.join(own.stdout.readline().strip()) as guest:
        assert guest.state == "in_progress"
        own.kill()
        own.wait()
        assert guest.state == load_run(guest.folder).state == "interrupted"
        assert "is gone" in guest.state_reason


def test_guests_that_have_one_process_id_leave_at_once_and_nothing_is_mixed_up(root):
    """As in containers that share a folder: each has a process 7."""
    for _ in range(5):
        status = Status(root=root)
        status.start()
        ready, leave, children = os.pipe(), os.pipe(), []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    os.close(leave[1])
                    os.getpid = lambda: 7
                    guest = Status.join(status.folder)
                    guest.log("here")
                    os.write(ready[1], b"x")
                    os.read(leave[0], 1)
                    guest.close()
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        count = 0
        while count < 4:
            count += len(os.read(ready[0], 4))
        status.complete()
        for fd in (*leave[::-1], *ready):
            os.close(fd)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
        assert verify(status.folder).findings == []
