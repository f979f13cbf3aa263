"""Honest states: a run whose writer is gone reads as interrupted within a second; one whose writer lives never does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runfolio import Run, load_run

from .durability.children import OFFSPRING
from .durability.nursery import Child, Nursery

HOLDS = "holds its lock"
FREE = "is gone: its lock is free"

READ = """
import json, sys, time
from runfolio import load_run
runs = [load_run(folder) for folder in sys.argv[1:]]
print(json.dumps([[run.state, run.state_reason, time.time()] for run in runs]))
"""

WRITE = """
import signal, sys
from runfolio import Status
status = Status(root=sys.argv[1])
status.log("here")
print(status.folder, flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as found:
        yield found


@pytest.fixture
def lives(nursery, root) -> Iterator[tuple[Child, Path]]:
    """A writer, and its run."""
    with nursery.begin("linger", root=str(root)) as child:
        yield child, Path(child.hear("folder:"))


@pytest.fixture
def died(nursery, root) -> Path:
    """The run of a writer that was killed."""
    with nursery.begin("linger", root=str(root)) as child:
        folder = Path(child.hear("folder:"))
        child.kill()
        assert child.wait() == signal.SIGKILL
    return folder


def in_progress(run: Run, why: str) -> bool:
    assert (run.state, why in run.state_reason) == ("in_progress", True), (run.state, run.state_reason)
    return True


def interrupted(run: Run, why: str) -> bool:
    assert (run.state, why in run.state_reason) == ("interrupted", True), (run.state, run.state_reason)
    return True


def states(*command: str | Path, env: dict[str, str] | None = None) -> list[tuple[str, str, float]]:
    """What another process says of runs: the state of each, how that is known, and the time when it said so."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **(env or {})})
    return [tuple(one) for one in json.loads(done.stdout)]


def needs(*programs: str) -> None:
    """Skip where the machine does not have these, or its user may not use them."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if "unshare" in programs and subprocess.call(["unshare", "-m", "-p", "-f", "true"], stderr=subprocess.DEVNULL):
        pytest.skip("namespaces are not allowed here")


def test_a_killed_writer_is_told_within_a_second(lives):
    child, folder = lives
    run = load_run(folder)
    assert in_progress(run, HOLDS)
    begun = time.monotonic()
    child.kill()
    while run.refresh().state == "in_progress" and time.monotonic() < begun + 5:
        pass
    assert time.monotonic() - begun < 1
    assert interrupted(run, FREE)


class TestOffspring:
    @pytest.mark.parametrize("offspring", OFFSPRING)
    def test_a_child_that_outlives_the_writer_does_not_keep_its_run_alive(self, nursery, root, offspring):
        with nursery.begin("linger", root=str(root), offspring=offspring) as child:
            other = int(child.hear("child:"))
            folder = child.hear("folder:")
            assert in_progress(load_run(folder), HOLDS)
            os.kill(child.pid, signal.SIGKILL)
            try:
                deadline = time.monotonic() + 1
                while load_run(folder).state == "in_progress" and time.monotonic() < deadline:
                    pass
                os.kill(other, 0)  # it is there still
                assert interrupted(load_run(folder), FREE)
            finally:
                os.kill(other, signal.SIGKILL)

    def test_a_writer_that_became_another_program_is_gone_though_its_process_lives(self, nursery, root):
        with nursery.begin("become_another_program", root=str(root)) as child:
            folder = child.hear("folder:")
            while Path(f"/proc/{child.pid}/comm").read_text() != "sleep\n":
                time.sleep(0.01)
            assert interrupted(load_run(folder), FREE)


class TestClocks:
    @pytest.mark.parametrize("jump", ["+7y", "-7y"])
    def test_a_reader_whose_clock_is_years_off_knows_even_of_a_suspended_writer(self, lives, died, jump):
        needs("faketime")
        child, folder = lives
        os.kill(child.pid, signal.SIGSTOP)
        command = ["faketime", "-f", jump, sys.executable, "-c", READ, folder, died]
        alive, dead = states(*command, env={"FAKETIME_DONT_FAKE_MONOTONIC": "1"})
        assert (alive[0], HOLDS in alive[1]) == ("in_progress", True)
        assert (dead[0], FREE in dead[1]) == ("interrupted", True)
        assert abs(alive[2] - time.time()) > 6 * 365 * 86400, "the clock did not jump"

    @pytest.mark.parametrize("jump", ["+7y", "-7y"])
    def test_a_writer_whose_clock_is_years_off_is_known_alive_and_dead(self, root, jump):
        needs("faketime")
        library = next(Path("/usr/lib").rglob("libfaketimeMT.so.1"))  # preloaded, so that the process is Python's own
        env = {**os.environ, "LD_PRELOAD": str(library), "FAKETIME": jump, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        with subprocess.Popen(
            [sys.executable, "-c", WRITE, str(root)], stdout=subprocess.PIPE, text=True, env=env
        ) as process:
            run = load_run(process.stdout.readline().strip())
            assert abs(run.start_time.timestamp() - time.time()) > 6 * 365 * 86400, "the clock did not jump"
            assert in_progress(run, HOLDS)
            process.kill()
            process.wait()
            assert interrupted(run.refresh(), FREE)


class TestProcessIds:
    def test_a_process_that_got_the_dead_writers_id_is_not_taken_for_it(self, root):
        needs("unshare")
        code = f"""
import os, signal, subprocess, sys
writer = subprocess.Popen([sys.executable, "-c", {WRITE!r}, sys.argv[1]], stdout=subprocess.PIPE, text=True)
folder = writer.stdout.readline().strip()
writer.kill()
writer.wait()
open("/proc/sys/kernel/ns_last_pid", "w").write(str(writer.pid - 1))
other = subprocess.Popen(["sleep", "60"])
assert other.pid == writer.pid, (other.pid, writer.pid)
sys.argv[1:] = [folder]
{READ}
other.kill()
other.wait()
"""
        ((state, reason, _),) = states(
            "unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-W", "ignore", "-c", code, root
        )
        assert (state, FREE in reason) == ("interrupted", True)

    def test_a_writer_in_another_process_namespace_is_known_alive_and_dead(self, root):
        needs("unshare")
        with subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", WRITE, str(root)],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            run = load_run(process.stdout.readline().strip())
            assert in_progress(run, "process 1 on")  # an id that is another process's here
            process.kill()
            process.wait()
            deadline = time.monotonic() + 1
            while run.refresh().state == "in_progress" and time.monotonic() < deadline:
                pass
            assert interrupted(run, FREE)


class TestPlaces:
    def test_a_folder_is_known_under_another_mount(self, lives, died, tmp_path):
        needs("unshare")
        _, folder = lives
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        script = f'mount --bind "{folder.parent}" "{elsewhere}" && exec "$0" "$@"'
        alive, dead = states(
            *["unshare", "-m", "sh", "-c", script, sys.executable, "-c", READ],
            *[elsewhere / folder.name, elsewhere / died.name],
        )
        assert (alive[0], HOLDS in alive[1]) == ("in_progress", True)
        assert (dead[0], FREE in dead[1]) == ("interrupted", True)

    def test_a_writer_under_another_mount_is_known_alive_and_dead(self, root, tmp_path):
        needs("unshare")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        root.mkdir()
        script = f'mount --bind "{root}" "{elsewhere}" && exec "$0" "$@"'
        command = ["unshare", "-m", "sh", "-c", script, sys.executable, "-c", WRITE, str(elsewhere)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            name = Path(process.stdout.readline().strip()).name
            assert list(elsewhere.iterdir()) == []
            run = load_run(root / name)
            assert in_progress(run, HOLDS)
            process.kill()
            process.wait()
            assert interrupted(run.refresh(), FREE)

    def test_hard_links_to_a_run_are_the_run(self, lives, tmp_path):
        child, folder = lives
        linked = tmp_path / "linked"
        shutil.copytree(folder, linked, copy_function=os.link)
        assert in_progress(load_run(linked), HOLDS)
        child.kill()
        child.wait()
        assert interrupted(load_run(linked), FREE)

    def test_a_dead_writers_folder_can_be_renamed(self, died, tmp_path):
        moved = died.rename(tmp_path / "moved")
        assert interrupted(load_run(moved), FREE)


class TestLocks:
    @pytest.mark.parametrize("change", [{"boot_id": "another"}, {"host": "elsewhere", "boot_id": "another"}])
    def test_a_lock_of_another_boot_or_machine_is_judged_by_its_age_alone(self, lives, change):
        _, folder = lives
        lock = folder / "main.lock"
        lock.write_text(json.dumps(json.loads(lock.read_text()) | change) + "\n")
        assert in_progress(load_run(folder), "can't be asked from here")
        long_ago = time.time() - 61
        os.utime(lock, (long_ago, long_ago))
        assert interrupted(load_run(folder), "presumed: its writer, process")
        a_little_later, next_year = time.time() + 30, time.time() + 365 * 86400
        os.utime(lock, (a_little_later, a_little_later))
        assert in_progress(load_run(folder), "can't be asked from here")
        os.utime(lock, (next_year, next_year))
        assert interrupted(load_run(folder), "its last sign of life is 31")

    def test_a_lock_that_says_nothing_is_told_of(self, died):
        (died / "main.lock").write_text("")
        assert interrupted(load_run(died), "its lock file can't be read")

    def test_a_dead_writers_lock_may_be_gone(self, died):
        (died / "main.lock").unlink()
        assert interrupted(load_run(died), "there is no lock file")
