"""Writers for tests, forked by a warm process with one thread: each is there within milliseconds."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

SCRIPT = Path(__file__).with_name("children.py")


class Nursery:
    """The warm process. Use it in a `with` statement."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, str(SCRIPT), str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.wait(10)

    def begin(self, do: str, **wanted: Any) -> Child:
        """Fork a child that does this: a function of `children.py`, with its arguments."""
        listening, speaking = os.pipe()
        try:
            socket.send_fds(self._socket, [json.dumps({"do": do, **wanted}).encode()], [speaking])
        finally:
            os.close(speaking)
        return Child(self, int(self._socket.recv(64)), listening)

    def wait(self, pid: int) -> int:
        """How a child ended, once it has: what `os.waitpid` says."""
        self._socket.send(json.dumps({"wait": pid}).encode())
        return int(self._socket.recv(64))


class Child:
    """A process that writes, and what it acknowledged until now."""

    def __init__(self, nursery: Nursery, pid: int, pipe: int) -> None:
        self.pid = pid
        self.acknowledged: list[str] = []
        self._nursery = nursery
        self._pipe = pipe
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pipe >= 0:
            self.kill()
            self.wait()

    def listen(self, seconds: float) -> bool:
        """Take what it acknowledges for so long, or until it has ended; whether it has not."""
        deadline = time.monotonic() + seconds
        while select.select([self._pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
            if not self._take():
                return False
        return True

    def hear(self, prefix: str, seconds: float = 30) -> str:
        """What it acknowledged first that begins so, without that; waits for it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for label in self.acknowledged:
                if label.startswith(prefix):
                    return label.removeprefix(prefix)
            if not self._take():
                break
        raise AssertionError(f"it never said {prefix!r}")

    def counts(self) -> dict[str, int]:
        """How many records each of its threads acknowledged, where they tell up to which."""
        upto = [label.removeprefix("upto:").split("-") for label in self.acknowledged if label.startswith("upto:")]
        return {worker: int(number) + 1 for worker, number in upto}

    def kill(self) -> None:
        """End it as the system would for want of memory."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Take the rest of what it acknowledged; returns how it ended: what `os.waitpid` says."""
        while self._take():
            pass
        os.close(self._pipe)
        self._pipe = -1
        return self._nursery.wait(self.pid)

    def _take(self) -> bool:
        data = os.read(self._pipe, 1 << 16)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.acknowledged += [line.decode() for line in lines]
        return bool(data)
