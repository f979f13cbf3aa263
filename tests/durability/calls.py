"""System calls of a workload, listed by strace and made to fail by it, one at a time.

The workload runs in a child of a process that has everything loaded, and strace is attached before it begins: so the
number of a call is the same each time. strace's `--seccomp-bpf` must not be used: with it no fault is ever injected.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

import runfolio

WORKLOADS = Path(__file__).with_name("workloads.py")
DEADLINE = 20.0
"""After so many seconds without a word a child hangs."""

TRACED = (
    "openat,write,pwrite64,writev,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,fsync,fdatasync,fcntl,"
    "ftruncate,fallocate,utimensat,close,read,pread64,sendto,newfstatat,fstat,statx,getdents64,fchmod,link,linkat"
)

WRITING = {"write", "rename", "mkdir", "fsync", "fdatasync"}

_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")


class Call(NamedTuple):
    """A system call of a workload: the `number`-th of its name, counting from 1; `file` is what it touches."""

    name: str
    number: int
    file: str
    arguments: str

    @property
    def writes(self) -> bool:
        """Whether something would be missing had it not been done."""
        needed = {"openat": "O_CREAT", "fcntl": "F_OFD_SETLK"}.get(self.name, "")
        return needed in self.arguments and self.name in {*WRITING, "openat", "fcntl"}


class Told(NamedTuple):
    """What a child told: (kind, name) of each call that was acknowledged, lost or failed, in order."""

    acknowledged: list[tuple[str, str]]
    lost: list[tuple[str, str]]
    failed: list[list[Any]]
    uncaught: list[list[Any]]
    descriptors: int
    """How many more the child had open at the end."""
    counted: int | None
    """What the child's Status counted as lost; None if it did not come to its end."""
    folder: Path | None
    warned: list[str]
    log: str

    @property
    def injected(self) -> int:
        """How often strace says that it failed a call."""
        return self.log.count("(INJECTED)")

    @property
    def killed(self) -> re.Match[str] | None:
        """The call before which the child was killed."""
        if "+++ killed by SIGKILL +++" not in self.log:
            return None
        begun = [match for match in map(_LINE.match, self.log.splitlines()) if match]
        return next(match for match in reversed(begun) if match[3].endswith(("= ?", "<unfinished ...>")))

    def names(self, kind: str) -> list[str]:
        return [name for found, name in self.acknowledged if found == kind]


class Server:
    """Starts children for trials, each traced."""

    def __init__(self, scratch: Path, *, tables: bool = False) -> None:
        self.scratch = scratch
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = [str(Path(module.__file__).parents[1]) for module in (runfolio, msgspec)]
        warm = ["report", "table"] if tables else ["report"]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WORKLOADS), str(theirs.fileno()), *map(json.dumps, (path, warm))],
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._trials = 0

    def close(self) -> None:
        self.control.close()
        self._process.wait(10)

    def try_out(self, inject: str | None = None, **trial: Any) -> tuple[Path, Told]:
        """Carry a trial out under `strace -e inject=...`; gives the root that it wrote to, and what it told."""
        self._trials += 1
        root = self.scratch / f"trial-{self._trials}"
        root.mkdir()
        log = root.with_suffix(".log")
        with self.begin(root, **trial) as (ours, ready, early):
            with _traced(ready[1], log, inject) as tracer:
                ours.send(b"go")
                messages, paused = until(ours, "paused")
                done = None
                if paused is not None:
                    if inject and inject.endswith("+"):  # the fault is gone, and the child goes on
                        tracer.terminate()
                        tracer.wait(DEADLINE)
                    ours.send(json.dumps(any(one[1] == "state" for one in messages if one[0] == "failed")).encode())
                    more, done = until(ours, "done")
                    messages += more
        return root, _told([*early, *messages], ready, done, log.read_text())

    @contextmanager
    def begin(self, root: Path, **trial: Any) -> Iterator[tuple[socket.socket, list[Any], list[list[Any]]]]:
        """A child that waits for the word to begin; with what it told so far."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            socket.send_fds(self.control, [json.dumps({"root": str(root), **trial}).encode()], [theirs.fileno()])
            theirs.close()
            ours.settimeout(DEADLINE)
            early, ready = until(ours, "ready")
            assert ready is not None, early
            yield ours, ready, early

    def calls(self, *, until_paused: bool = False, **trial: Any) -> list[Call]:
        """The system calls of a workload that touch its root, all or those up to its pause."""
        shutil.rmtree(self.try_out(None, **trial)[0])  # the first child may write bytecode: calls that no other makes
        root, told = self.try_out(None, **trial)
        assert told.counted is not None and not told.failed and not told.uncaught, told
        counts: dict[str, int] = {}
        found = []
        pid = told.log.split(maxsplit=1)[0]
        log = told.log.partition('"[\\"paused\\"')[0] if until_paused else told.log
        for line in log.splitlines():
            match = _LINE.match(line)
            if match and match[1] == pid:
                counts[match[2]] = number = counts.get(match[2], 0) + 1
                if str(root) in match[3]:
                    found.append(Call(match[2], number, _file(match[3], root), match[3]))
        shutil.rmtree(root)
        return found


def _file(arguments: str, root: Path) -> str:
    """The name of the file that a call touches, the same for each trial."""
    found = re.findall(re.escape(str(root)) + r'([^">]*)', arguments)[-1]
    name = re.sub(r"^\d{8}T\w+-run-\w+$", "run", found.rpartition("/")[2] or "root")
    return re.sub(r"\d{2,}", "#", re.sub(r"(?<![a-z0-9])[a-z0-9]{8}(?=\.|-\d{6})", "writer", name))


def until(channel: socket.socket, last: str) -> tuple[list[list[Any]], list[Any] | None]:
    """The messages up to one, and that one; None if the child ended before."""
    messages: list[list[Any]] = []
    while True:
        try:
            data = channel.recv(100_000)
        except ConnectionResetError:
            return messages, None
        except TimeoutError:
            return [*messages, ["uncaught", "worker", "itself", f"it hangs: no word for {DEADLINE} s"]], None
        if not data:
            return messages, None
        message = json.loads(data)
        if message[0] == last:
            return messages, message
        messages.append(message)


@contextmanager
def _traced(pid: int, log: Path, inject: str | None) -> Iterator[subprocess.Popen[str]]:
    """A strace that has been attached to a process."""
    command = ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={TRACED}", "-p", str(pid)]
    if inject:
        command[1:1] = ["-e", f"inject={inject}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            attached = tracer.stderr.readline()
            assert "attached" in attached, attached
            yield tracer
            tracer.wait(DEADLINE)
        finally:
            tracer.kill()


def _told(messages: list[list[Any]], ready: list[Any], done: list[Any] | None, log: str) -> Told:
    by = {what: [one[1:] for one in messages if one[0] == what] for what in ("failed", "uncaught")}
    pairs = {what: [(one[1], one[2]) for one in messages if one[0] == what] for what in ("acknowledged", "lost")}
    descriptors = 0 if done is None else done[1] - ready[2]
    counted = None if done is None else done[2]
    warned = [] if done is None else done[4]
    folder = None if done is None or done[3] is None else Path(done[3])
    return Told(
        pairs["acknowledged"], pairs["lost"], by["failed"], by["uncaught"], descriptors, counted, folder, warned, log
    )


def need_strace(tmp_path: Path) -> None:
    """Skip the test, aloud, where strace is missing or may not attach."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    child = subprocess.Popen(["sleep", "10"])
    try:
        tracer = subprocess.Popen(["strace", "-o", str(tmp_path / "attach.log"), "-p", str(child.pid)], stderr=-1)
        said = tracer.stderr.readline().decode()
        tracer.terminate()
        tracer.communicate()
    finally:
        child.kill()
        child.wait()
    if "attached" not in said:
        pytest.skip(f"strace may not attach to a process here: {said.strip()}")
