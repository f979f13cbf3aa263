"""A run and its processes: read while it is written, killed, forked, suspended, copied, written by threads."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from runfolio import Run, Status, load_run
from runfolio.errors import RunEndedError, UsageError
from runfolio.lock import probe

WRITER = """
import sys
import pandas as pd
from runfolio import Status
status = Status(name="victim", root=sys.argv[1], tags=["t"])
with status.step("Loader", "csv") as step:
    status.log("loading")
    step.result(pd.DataFrame({"age": [1, 2]}))
print(status.folder, flush=True)
while True:
    status.record_change("UPDATE", "age", {"n": 1}, module="Loader", experiment="csv")
    print("wrote", flush=True)
"""


@pytest.fixture
def writer(root):
    """A process that records changes without end, and its folder once it is there."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.wait()
    process.stdout.close()


def assert_what_stands_still(run: Run, folder: Path) -> None:
    """Every other getter: what it answers was written before the changes began."""
    assert (run.folder, run.run_id, run.name, run.tags) == (folder, folder.name, "victim", ["t"])
    assert (run.end_time, run.duration_seconds, run.error, run.opaque) == (None, None, None, [])
    assert run.sequence == ["Loader"] and run.start_time is not None
    assert len(run.get_timing()) == len(run.timing_records) == len(run.get_timing_records("Loader")) == 1
    assert [event.message for event in run.events if event.type == "log"] == ["loading"]
    assert run.get_change_history("Loader") == run.changes
    start, before, after = run.snapshots
    assert run.get_snapshots("Loader") == [before, after] and run.get_snapshot_by_id(start.snapshot_id) == start
    assert run.get_metadata("Loader") == after.metadata.schema_after
    assert run.get_metadata_evolution("Loader") == [after.metadata.schema_after]
    assert run.get_full_expt() == {"Loader": "csv"}
    assert list(run.results) == list(run.get_result()) == [one.key for one in run.result_records] == ["Loader[csv]"]
    assert run.get_data_by_module("Loader")["Loader"]["age"].to_list() == [1, 2]
    assert run.at(before.snapshot_id).results == {} and len(run.at(after.snapshot_id).changes) == 1


class TestReadWhileWritten:
    def test_every_getter_answers_consistently_and_a_live_run_is_never_interrupted(self, writer):
        process, folder = writer
        assert process.stdout is not None
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        seen, deadline = 0, time.monotonic() + 3
        while time.monotonic() < deadline:
            run = load_run(folder)
            assert (run.state, run.damage, run.is_completed()) == ("in_progress", [], False), run.state_reason
            assert [c.change_id for c in run.changes] == [f"change-{n:06d}" for n in range(1, len(run.changes) + 1)]
            assert len(run.changes) >= seen
            seen = len(run.changes)
            summary = run.get_status_summary()
            assert (summary["total_changes"], summary["last_change"]) == (seen, run.changes[-1].change_id)
            assert_what_stands_still(run, folder)
        assert seen > 100
        process.kill()
        drain.join(10)

    def test_a_run_that_ends_meanwhile_is_never_seen_interrupted(self, root):
        code = "import sys; from runfolio import Status\nwith Status(root=sys.argv[1]) as s:\n    s.log('x')"
        for _ in range(5):
            process = subprocess.Popen([sys.executable, "-c", code, str(root)])
            states = []
            while process.poll() is None:
                for folder in root.glob("*/run.json"):
                    states.append(load_run(folder.parent).state)
            assert set(states) <= {"in_progress", "completed"}


class TestKilled:
    def test_the_run_reads_as_interrupted_and_keeps_what_was_acknowledged(self, writer):
        process, folder = writer
        for _ in range(50):
            process.stdout.readline()
        process.kill()
        acknowledged = 1 + 50 + len(process.stdout.read().splitlines())  # the step's own change first
        process.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the kill may have torn a line
            run = load_run(folder)
        assert run.state == "interrupted" and "its lock is free" in run.state_reason
        assert acknowledged <= len(run.changes) <= acknowledged + 1
        assert run.end_time is None and run.duration_seconds is None

    def test_a_suspended_writer_is_alive(self, writer):
        process, folder = writer
        os.kill(process.pid, signal.SIGSTOP)
        lock = folder / "main.lock"
        assert load_run(folder).state == "in_progress"
        assert probe(lock, time.time() + 10_000).alive, "its silence says nothing where the lock can be asked"
        os.kill(process.pid, signal.SIGCONT)

    def test_a_copy_is_presumed_interrupted_after_a_minutes_silence(self, writer, tmp_path):
        process, folder = writer
        process.kill()
        process.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            copy = tmp_path / "copy"
            shutil.copytree(folder, copy)
            fresh = load_run(copy)
            assert fresh.state == "in_progress" and "can't be asked from here" in fresh.state_reason
            old = time.time() - 61
            os.utime(copy / "main.lock", (old, old))
            stale = load_run(copy)
        assert stale.state == "interrupted" and stale.state_reason.startswith("presumed")

    def test_a_moved_folder_is_still_known_as_live(self, writer, tmp_path):
        _, folder = writer
        moved = tmp_path / "moved"
        folder.rename(moved)
        assert load_run(moved).state == "in_progress"

    def test_a_forked_child_does_not_keep_a_dead_writers_run_alive(self, root):
        code = (
            "import os, sys, time\nfrom runfolio import Status\nstatus = Status(root=sys.argv[1])\nstatus.log('x')\n"
            "r, w = os.pipe()\n"
            "if os.fork() == 0:\n    os.write(w, b'.'); time.sleep(60); os._exit(0)\n"
            "os.read(r, 1); print(status.folder, flush=True); os.kill(os.getpid(), 9)"
        )
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, str(root)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            folder = process.stdout.readline().strip()
            process.wait()
            assert load_run(folder).state == "interrupted"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.stdout.close()


class TestForked:
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_child_writes_a_segment_of_its_own(self, status):
        def child() -> None:
            status.log("from the child")
            status.record_change("CREATE", "child_column", module="Loader", experiment="csv")

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join()
        assert process.exitcode == 0
        status.log("from the parent")
        for run in (status, load_run(status.folder)):
            assert [event.message for event in run.events if event.type == "log"] == [
                "from the child",
                "from the parent",
            ]
            assert run.changes[-1].target == "child_column" or "child_column" in [c.target for c in run.changes]
            assert run.damage == []
        assert len(list(status.folder.glob("events.*.jsonl"))) == 1
        status.complete()
        ended = load_run(status.folder)
        assert ended.damage == [] and ended.state == "completed"

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_child_that_leaves_its_parents_blocks_ends_neither_step_nor_run(self, people):
        with Status() as status:
            with status.step("Loader", "a") as step:
                pid = os.fork()
                if pid == 0:
                    break_out = SystemExit(0)
                    try:
                        step.__exit__(SystemExit, break_out, None)
                        status.__exit__(SystemExit, break_out, None)
                        status.complete()
                    except UsageError:
                        os._exit(0)
                    os._exit(1)
                assert os.waitpid(pid, 0)[1] == 0
                step.result(people)
            assert status.state == "in_progress"
        assert status.state == "completed" and len(status.timing_records) == 1
        assert load_run(status.folder).damage == []

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_child_can_add_nothing_once_its_parent_ended_the_run(self, status):
        context = multiprocessing.get_context("fork")
        ended, told = context.Event(), context.Queue()

        def child() -> None:
            ended.wait()
            try:
                status.log("late")
            except RunEndedError as error:
                told.put(str(error))

        process = context.Process(target=child)
        process.start()
        status.complete()
        ended.set()
        assert "is completed: nothing can be added" in told.get(timeout=20)
        process.join()
        told.close()
        told.join_thread()
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=status.folder, check=True)


class TestThreads:
    def test_what_several_write_is_all_there_once_and_in_order(self):
        status = Status(name="threads")
        each, threads = 300, 8

        def write(number: int) -> None:
            for n in range(each):
                status.record_change("UPDATE", f"{number}-{n}", {"n": n})

        workers = [threading.Thread(target=write, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        run = load_run(status.folder)
        assert run.damage == [] and len(run.changes) == each * threads
        for number in range(threads):
            assert [c.details["n"] for c in run.changes if c.target.startswith(f"{number}-")] == list(range(each))
        assert status.changes == run.changes
        status.complete()

    def test_steps_of_each_follow_their_own_thread(self, people):
        status = Status()

        def pipeline(name: str) -> None:
            with status.step("Loader", name) as step:
                step.result(people)
            with status.step("Preprocessor", "drop") as step:
                step.result(people.dropna())

        workers = [threading.Thread(target=pipeline, args=(name,)) for name in "abc"]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert set(status.get_result()) == {f"Loader[{name}]_Preprocessor[drop]" for name in "abc"}
        status.complete()

    def test_one_may_read_while_another_writes(self, people):
        status = Status()
        status.start()
        stop = threading.Event()
        errors: list[BaseException] = []

        def read() -> None:
            try:
                while not stop.is_set():
                    summary = status.get_status_summary()
                    assert summary["total_changes"] <= len(status.changes)
                    status.get_result()
            except BaseException as error:  # noqa: BLE001  (a thread's own would be lost)
                errors.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        for n in range(500):
            status.record_change("UPDATE", str(n))
        stop.set()
        reader.join()
        assert errors == []
        status.complete()


def test_a_writer_of_many_records_stays_flat_in_memory(root):
    """The full size, 1,000,000, is the benchmark's; here fewer, with the growth that they would bring if kept."""
    code = """
import os, sys
from runfolio import Status
def resident(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
status = Status(root=sys.argv[1])
status.record_change("UPDATE", "age", {"n": 0})
before = resident()
for n in range(60_000):
    status.record_change("UPDATE", "age", {"n": n}, module="Loader", experiment="csv")
print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 5 * 2**20
