"""Power cuts: a file system that stops between two writes, and is mounted again.

The cut is real to the file system (FS_IOC_SHUTDOWN without a flush of its log, on ext4 and xfs in a loop mount): what
it had not put on its device is gone, and mounting replays its log. The writer is told nothing and is killed. Every
third cut is one of a bare loop of `write` and `fdatasync`: what that loses, the system lost.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runfolio.errors import FormatError, RunfolioError

from . import oracle
from .calls import Server, until

SEED = 20261124
FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
MEGABYTES = {"ext4": 64, "xfs": 320}
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}


class Disk:
    """A file system of its own in a file, whose power can be cut."""

    def __init__(self, kind: str, scratch: Path) -> None:
        self.kind = kind
        self.image = scratch / f"{kind}.img"
        self.mount_point = scratch / kind
        self.mount_point.mkdir()
        with self.image.open("wb") as file:
            file.truncate(MEGABYTES[kind] << 20)
        _run(*MAKE[kind], str(self.image))
        self.mount()

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self.image), str(self.mount_point))

    def unmount(self) -> None:
        """Unmount, once the last process has let go; the loop device goes with it."""
        if str(self.mount_point) not in Path("/proc/mounts").read_text():
            return
        for _ in range(100):
            if (
                subprocess.run(["umount", str(self.mount_point)], stderr=subprocess.DEVNULL, check=False).returncode
                == 0
            ):
                return
            time.sleep(0.02)
        raise AssertionError(f"{self.mount_point} can't be unmounted")

    def cut(self) -> None:
        fd = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def remove(self, folder: Path) -> None:
        """Remove a folder so that no cut brings it back: the disk would fill up."""
        shutil.rmtree(folder, ignore_errors=True)
        if folder.parent.exists():
            fd = os.open(folder.parent, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)

    @property
    def is_cut(self) -> bool:
        """Whether nothing can be written any more: the proof of the cut."""
        try:
            (self.mount_point / "after").touch()
        except OSError:
            return True
        return False


class Cut(NamedTuple):
    """What a cut left: how much was acknowledged, how much of it is not there, whether damage is told."""

    acknowledged: int
    lost: int
    silent: int
    findings: int
    missing: tuple[str, ...] = ()
    """What is lost of a run that is there."""


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command[:2])} does not work here: {done.stderr.strip()}")


@pytest.fixture(scope="module", params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    kind = request.param
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    if shutil.which(MAKE[kind][0]) is None:
        pytest.skip(f"{MAKE[kind][0]} is not installed")
    found = Disk(kind, tmp_path_factory.mktemp("power"))
    yield found
    found.unmount()
    found.image.unlink()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("writers"))
    yield found
    found.close()


def cut_power(disk: Disk, server: Server, number: int, after: int, pause: float, **trial: str) -> Cut:
    """Cut the power when so many were acknowledged and some seconds have passed; read what the disk then has."""
    root = disk.mount_point / "roots" / f"run-{number}"
    workload = "write on bare" if trial["durability"] == "bare" else "write on"
    with server.begin(root, workload=workload, **trial) as (channel, ready, _):
        channel.send(b"go")
        messages = []
        while len(messages) < after:
            messages.append(json.loads(channel.recv(100_000)))
        time.sleep(pause)
        messages += so_far(channel)
        disk.cut()
        assert disk.is_cut
        os.kill(ready[1], signal.SIGKILL)
        later = until(channel, "never")[0]
    assert not [one for one in [*messages, *later] if one[0] == "uncaught"], messages[-3:]
    assert not [one for one in messages if one[0] == "failed"], messages[-3:]
    disk.unmount()
    disk.mount()
    judged = judge_bare if trial["durability"] == "bare" else judge
    cut = judged(root, *([(one[1], one[2]) for one in told if one[0] == "acknowledged"] for told in (messages, later)))
    disk.remove(root)
    return cut


def so_far(channel: socket.socket) -> list[list[str]]:
    """What was told by now."""
    found = []
    while select.select([channel], [], [], 0)[0]:
        found.append(json.loads(channel.recv(100_000)))
    return found


def judge(root: Path, acknowledged: list[tuple[str, str]], later: list[tuple[str, str]]) -> Cut:
    """Hold what is there against what was acknowledged: nothing comes back that is not what was written.

    What was acknowledged `later` than the cut began may be there or not: a machine without power acknowledges nothing.
    """
    wanted = {one for one in acknowledged if one[0] in {"change", "result"}}
    folders = sorted(root.iterdir()) if root.is_dir() else []
    lost_folder = len(acknowledged) if ("start", "started") in acknowledged else 0
    if not folders:
        return Cut(len(acknowledged), lost_folder, 0, 0)
    (folder,) = folders
    try:
        run = oracle.read(folder)
    except FormatError:
        return Cut(len(acknowledged), lost_folder, 0, 1)
    verdict = oracle.judge(folder, [name for kind, name in acknowledged if kind == "change"])
    given, wrong = read_results(run)
    more = {("change", name) for name in verdict.unacknowledged} | (given - wanted)
    assert not verdict.twice and verdict.is_ordered and len(more - {*later}) <= 1, (verdict, more)
    results = {name for kind, name in wanted if kind == "result"} - {name for _, name in given}
    missing = (*verdict.lost, *sorted(results))
    return Cut(len(acknowledged), len(missing), wrong, len(run.damage), missing)


def judge_bare(root: Path, acknowledged: list[tuple[str, str]], later: list[tuple[str, str]]) -> Cut:
    """The same for lines of a file that were written without runfolio; what is given is told by its place."""
    file = root / "lines"
    lines = file.read_bytes().split(b"\n") if file.exists() else []
    given = {f"w-{int(line)}" for line in lines if len(line) == 299 and line.isdigit()}
    missing = [name for kind, name in acknowledged if kind == "change" and name not in given]
    unasked = given - {name for _, name in [*acknowledged, *later]}
    assert len(unasked) <= 1, unasked
    started = 0 if file.exists() else [kind for kind, _ in acknowledged].count("start")
    return Cut(len(acknowledged), len(missing) + started, 0, 0, tuple(missing))


def read_results(run: oracle.Run) -> tuple[set[tuple[str, str]], int]:
    """Which results come back, and how many of them as something else than what was stored."""
    given, wrong = set(), 0
    for key, result in run.results.items():
        try:
            data = result["data"]
        except RunfolioError:
            continue
        given.add(("result", key))
        wrong += data != {"n": int(key.removeprefix("r-"))}
    return given, wrong


def test_a_power_cut_loses_nothing_that_was_promised_and_nothing_comes_back_wrong(disk, server, size, tally):
    seeded = random.Random(f"{SEED} {disk.kind}")
    cuts: dict[str, list[Cut]] = {"power": [], "process": [], "bare": []}
    for number in range(size(30, 2250)):
        level = list(cuts)[number % 3]
        after, pause = seeded.randrange(40), seeded.random() * 0.01
        cuts[level].append(cut_power(disk, server, number, after, pause, durability=level))
    acknowledged, lost, silent, findings = (
        {level: sum(cut[column] for cut in found) for level, found in cuts.items()} for column in range(4)
    )
    assert not lost["power"], (lost, [cut for cut in cuts["power"] if cut.lost])
    assert lost["process"], "the control lost nothing: these cuts prove nothing"
    fewer = (
        f"`process` lost {lost['process']:,} of {acknowledged['process']:,} acknowledged; a bare loop of `write` and "
        f"`fdatasync`, as long a test, lost {lost['bare']:,} of {acknowledged['bare']:,}"
    )
    for level, promised in (("power", True), ("process", False)):
        tally(
            test=f"power cuts on {disk.kind}: `{level}`",
            trials=len(cuts[level]),
            faults=len(cuts[level]),
            acknowledged=acknowledged[level] if promised else None,
            lost=lost[level] if promised else 0,
            silent=silent[level],
            control=fewer if promised else f"(it promises none; {findings[level]} findings told)",
            seed=SEED,
        )
