"""Each system call by which a run is written: the process killed before it, and the call failing, once and for good.

strace does both, and its log proves that each fault fired. Real short writes are in test_disks: strace makes a call say
that it wrote less, and write nothing at all, which is the worse of the two.
"""

from __future__ import annotations

import errno
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runfolio import Status
from runfolio.errors import FormatError, NotFoundError

from . import oracle
from .calls import Call, Server, Told, need_strace
from .workloads import COLUMN

SEED = 20261123
RECORDS = {"change", "timing", "result", "log"}

LAST = {("change", "w-3"), ("change", "w-5"), ("state", "completed")}
"""After these a workload ends its run."""
ENDED = {"completed", "interrupted"}

PROCESS = {"workload": "report"}
POWER = {"workload": "report", "durability": "power"}
WARN = {"workload": "report", "on_write_error": "warn"}
RESUME = {"workload": "resume"}
TABLE = {"workload": "table"}

REFUSED_TO_RESUME = {("resume", name) for name in ("FormatError", "NotFoundError", "UsageError")}
"""Where what was left behind can't be read, or who wrote it can't be asked."""

ERRORS = {
    "openat": ["EIO", "ENOSPC", "EMFILE", "EROFS", "EINTR"],
    "write": ["EIO", "ENOSPC", "EROFS", "EINTR"],
    "mkdir": ["EIO", "ENOSPC", "EROFS"],
    "rename": ["EIO", "ENOSPC", "EROFS"],
    "fsync": ["EIO", "ENOSPC", "EINTR"],
    "fdatasync": ["EIO", "ENOSPC", "EINTR"],
    "fcntl": ["EIO", "ENOLCK"],
    "close": ["EIO", "ENOSPC"],
    "unlink": ["EIO", "EROFS"],
    "newfstatat": ["EIO"],
    "getdents64": ["EIO"],
    "read": ["EIO"],
    "pread64": ["EIO"],
}
SHORT = "short"
"""The call says that it wrote 7 bytes, and wrote none."""


class Fault(NamedTuple):
    """A call that fails, once or from then on."""

    call: Call
    error: str
    for_good: bool

    @property
    def inject(self) -> str:
        how = "retval=7" if self.error == SHORT else f"error={self.error}"
        return f"{self.call.name}:{how}:when={self.call.number}{'+' * self.for_good}"

    @property
    def errno(self) -> int:
        return errno.ENOSPC if self.error == SHORT else getattr(errno, self.error)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    scratch = tmp_path_factory.mktemp("system-calls")
    need_strace(scratch)
    found = Server(scratch)
    yield found
    found.close()


@pytest.fixture(scope="module")
def table_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    scratch = tmp_path_factory.mktemp("system-calls-of-tables")
    need_strace(scratch)
    found = Server(scratch, tables=True)
    yield found
    found.close()


def server_of(trial: dict[str, str], count: int, request: pytest.FixtureRequest) -> Server:
    if not count:
        pytest.skip("tables are in the long run")
    return request.getfixturevalue("table_server" if trial is TABLE else "server")


def records(folder: Path) -> set[tuple[str, str]]:
    """What a reader gives, of the kinds that workloads acknowledge; results are read, and so are checked."""
    run = oracle.read(folder)
    assert all(result["data"] is not None for result in run.results.values())
    return {
        *(("change", change.target) for change in run.changes),
        *(("timing", timing.module_name) for timing in run.timing_records),
        *(("result", key) for key in run.results),
        *(("log", event.message) for event in run.events if event.type == "log"),
    }


def folder_of(root: Path, told: Told) -> Path | None:
    """The folder of the run, if it came to have one."""
    return told.folder or next(iter(sorted(root.iterdir())), None)


def judge(folder: Path | None, told: Told, in_flight: set[tuple[str, str]] | None = None) -> int:
    """Nothing acknowledged is lost; how much more is there is at most what was in flight. Gives how much is lost."""
    acknowledged = {one for one in told.acknowledged if one[0] in RECORDS}
    try:
        given = set() if folder is None else records(folder)
    except (FormatError, NotFoundError):  # it has not become a run
        given = set()
    more = given - acknowledged
    at_once = 2 if ("change", COLUMN) in more else 1  # the end of a step records its changes and its timing
    assert len(more) <= at_once if in_flight is None else more <= in_flight, (more, told.failed)
    if given:
        verdict = oracle.judge(folder, told.names("change"))
        assert not verdict.twice and verdict.is_ordered, verdict
    return len(acknowledged - given)


def judge_killed(folder: Path | None, told: Told) -> None:
    """A run that was killed reads as interrupted, or as ended if it just was; only `run.json` may be behind."""
    has_begun = ("start", "started") in told.acknowledged or ("resume", "resumed") in told.acknowledged
    try:
        run = oracle.read(folder) if folder else None
    except FormatError:
        run = None
    if run is None:
        assert not has_begun
        return
    if has_begun:
        assert run.state in ENDED if told.acknowledged[-1] in LAST else run.state == "interrupted", run.state
    for finding in run.damage:
        assert finding.file == "run.json" and (run.state == "completed" or not has_begun), finding


def go_on(folder: Path, told: Told) -> None:
    """An interrupted run is resumed and completed, and then holds what it held, and more."""
    status = Status.resume(folder)
    status.record_change("UPDATE", "w-200")
    status.complete()
    run = oracle.read(folder)
    assert run.state == "completed" and run.damage == []
    assert {*told.names("change"), "w-200"} <= {change.target for change in run.changes}


def kill_before(server: Server, call: Call, **trial: str) -> tuple[int, int]:
    """Kill a workload before a call; gives how much was acknowledged, and how much of it is lost."""
    root, told = server.try_out(f"{call.name}:signal=SIGKILL:when={call.number}", **trial)
    killed = told.killed
    assert killed and killed[2] == call.name and str(root) in killed[3], told.log[-500:]
    assert not told.uncaught and not told.failed
    folder = folder_of(root, told)
    lost = judge(folder, told)
    judge_killed(folder, told)
    if folder and told.acknowledged and oracle.read(folder).state == "interrupted":
        go_on(folder, told)
    shutil.rmtree(root)
    return len(told.acknowledged), lost


@pytest.mark.parametrize(
    ("trial", "each_change"),
    [(PROCESS, 10_000), (POWER, 10_000), (RESUME, 100), (TABLE, 0)],
    ids=["process", "power", "resume", "table"],
)
def test_a_kill_before_any_system_call_loses_nothing_acknowledged(trial, each_change, request, size, tally):
    server = server_of(trial, size(each_change, 1), request)
    calls = [call for call in server.calls(**trial) if call.name != "newfstatat"]
    assert {"openat", "write", "rename", "mkdir", "close"} <= {call.name for call in calls}
    chosen = random.Random(SEED).sample(calls, min(len(calls), size(each_change, 10_000)))
    found = [kill_before(server, call, **trial) for call in chosen]
    tally(
        test=f"SIGKILL before each I/O call: {request.node.callspec.id}",
        trials=len(chosen),
        faults=len(found),
        acknowledged=sum(count for count, _ in found),
        lost=sum(lost for _, lost in found),
        control=f"a buffered file: {lost_by_buffering(server)} records lost in 4 kills",
        seed=SEED,
    )


def lost_by_buffering(server: Server) -> int:
    """The negative control: what the same kills lose of journals that Python buffers."""
    lost = 0
    for number in range(2, 6):
        root, told = server.try_out(f"rename:signal=SIGKILL:when={number}", workload="report", control="buffered")
        assert told.killed
        lost += judge(folder_of(root, told), told)
        shutil.rmtree(root)
    assert lost, "the control lost nothing: these kills prove nothing"
    return lost


def faults(server: Server, **trial: str) -> list[tuple[Fault, dict[str, str]]]:
    """Every way in which each call of a workload can fail, and the trial to let it.

    Where the run is to go on without what it can't write, a fault for good is over before the end.
    """
    late = {**trial, "ends_late": "yes"} if trial.get("on_write_error") == "warn" else trial
    once = [(fault, trial) for fault in _faults(server.calls(**trial), for_good=False)]
    return once + [(fault, late) for fault in _faults(server.calls(until_paused=True, **late), for_good=True)]


def _faults(calls: list[Call], *, for_good: bool) -> list[Fault]:
    found = []
    for call in calls:
        for error in ERRORS.get(call.name, []):
            if not (for_good and (error == "EINTR" or call.name == "close")):  # for good there are no such faults
                found.append(Fault(call, error, for_good))
        if call.name == "write" and call.file.endswith((".jsonl", ".lock")):
            found.append(Fault(call, SHORT, for_good))
    return found


def fail(server: Server, fault: Fault, **trial: str) -> Told:
    """Let a call fail: nothing acknowledged is lost, who wrote is told, and when the fault is gone it goes on."""
    root, told = server.try_out(fault.inject, **trial)
    assert told.injected >= 1, (fault, told.log[-500:])
    assert not told.uncaught, (fault, told.uncaught)
    assert told.counted is not None, (fault, "it did not come to its end")
    failed = {(kind, name) for kind, name, *_ in told.failed} | set(told.lost)
    failed |= {("change", COLUMN)} if ("timing", "Loader") in failed else set()
    assert judge(folder_of(root, told), told, in_flight=failed) == 0, (fault, told)
    judge_errors(fault, told)
    judge_end(fault, told)
    shutil.rmtree(root)
    return told


def judge_errors(fault: Fault, told: Told) -> None:
    """Each error is a WriteError that names errno, file and remedy; what was needed has not failed in silence."""
    for kind, name, error, number, file, text in told.failed:
        if (kind, error) == ("state", "RunEndedError"):  # it could only not be closed
            assert fault.call.name == "close" and len(told.failed) == 2
            continue
        if (kind, error) in REFUSED_TO_RESUME:
            assert not fault.call.writes
            continue
        # A folder that can't be asked counts as gone; Arrow doesn't say why it could not close a file.
        also = {"newfstatat": {errno.ENOENT}, "close": {None}}.get(fault.call.name, set())
        numbers = {fault.errno} | also
        assert error == "WriteError" and number in numbers, (fault, kind, name, error, number, text)
        assert file and ";" in text, (fault, text)
    if fault.call.writes and fault.error != "EINTR":
        assert told.failed or told.warned, (fault, "it was needed, and no one was told")


def judge_end(fault: Fault, told: Told) -> None:
    """In the end the run is complete, or else there was a warning; the folder tells how much is lost, or that did."""
    run = oracle.read(told.folder)
    assert run.state == "completed" or told.warned, (fault, run.state_reason)
    assert run.damage == [] or told.warned, (fault, run.damage)
    is_untold = any("could not be told so" in text for text in told.warned) or fault.call.name == "close"
    assert run.lost == told.counted or is_untold, (fault, run.lost, told.counted, told.warned)
    assert told.counted >= len(told.lost), (fault, told.counted, told.lost)
    if fault.call.name not in {"close", "newfstatat"}:  # what strace let fail to close was not closed; nor does Python
        # close a descriptor that it can't ask what it is
        assert told.descriptors <= 0, (fault, told.descriptors)


@pytest.mark.parametrize(
    ("trial", "each_change"),
    [(PROCESS, 60), (WARN, 30), (POWER, 30), (RESUME, 30), (TABLE, 0)],
    ids=["raise", "warn", "power", "resume", "table"],
)
def test_a_system_call_that_fails_is_told_and_loses_nothing_acknowledged(trial, each_change, request, size, tally):
    server = server_of(trial, size(each_change, 1), request)
    every = faults(server, **trial)
    chosen = random.Random(SEED).sample(every, min(len(every), size(each_change, 10_000)))
    found = [fail(server, fault, **how) for fault, how in chosen]
    tally(
        test=f"I/O calls that fail, once and for good: {request.node.callspec.id}",
        trials=len(chosen),
        faults=len(found),
        acknowledged=sum(len(told.acknowledged) for told in found),
        control=f"a journal that does not look how much was written: {lost_unchecked(server)} records lost in 4 faults",
        seed=SEED,
    )


def lost_unchecked(server: Server) -> int:
    """The negative control: what is lost where the count of a write is ignored."""
    trial = {"workload": "report", "control": "unchecked"}
    changes = [call for call in server.calls(**trial) if call.name == "write" and call.file == "changes.jsonl"]
    lost = 0
    for call in changes:
        root, told = server.try_out(Fault(call, SHORT, for_good=False).inject, **trial)
        assert told.injected == 1 and not told.failed
        lost += judge(folder_of(root, told), told)
        shutil.rmtree(root)
    assert lost == len(changes) == 4, "the control lost nothing: these faults prove nothing"
    return lost


def unsynced(log: str, root: Path) -> int:
    """How many names were not yet synced by their folder when a call was acknowledged that relied on them."""
    pending: set[str] = set()
    found = 0
    for line in log.splitlines():
        call = re.match(r"\d+ +(\w+)\((.*)\) += \d", line)
        if call is None:
            continue
        paths = [path for path in re.findall(r'[<"](/[^>"]*)[>"]', call[2]) if path.startswith(str(root))]
        if call[1] in {"mkdir", "rename"} or (call[1] == "openat" and "O_CREAT" in call[2]):
            pending.add(paths[-1] if call[1] != "openat" else paths[0])
        elif call[1] == "fsync":
            pending = {path for path in pending if Path(path).parent != Path(paths[0])}
        elif call[1] == "sendto" and "acknowledged" in call[2]:
            found += sum(not path.endswith((".tmp", ".lock")) for path in pending)
            pending.clear()
    return found


def test_each_name_is_synced_before_what_relies_on_it_is_acknowledged(server):
    # ext4 and xfs sync a new file's name along with the file, so that no power cut on them can tell.
    for trial in (POWER, RESUME | {"durability": "power"}):
        root, told = server.try_out(None, **trial)
        assert unsynced(told.log, root) == 0
    root, told = server.try_out(None, **PROCESS)
    assert unsynced(told.log, root) > 5
