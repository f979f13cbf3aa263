"""A real terminal for tests: a pseudo-terminal whose output an emulator turns into what a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from typing import Self

import pyte

_CONTROLLED = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from runfolio.cli import main
main()
"""
"""The terminal is that of the process: Ctrl-C on it is a signal."""


class Terminal:
    """A command that runs in a terminal of so many lines and columns. Use it in a `with` statement."""

    def __init__(self, *command: str, lines: int = 24, columns: int = 80, **environment: str) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._fd, theirs = pty.openpty()
        self.resize(lines, columns)
        clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CONTROLLED, *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**clean, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        os.close(self._fd)

    @property
    def text(self) -> str:
        """What is on the screen, without blanks at the ends of lines and empty lines at the end."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip("\n")

    def wait_for(self, seen: str | Callable[[str], bool], seconds: float = 20) -> str:
        """The screen once there is this text on it, or a function of it says so."""
        shows = (lambda text: seen in text) if isinstance(seen, str) else seen
        deadline = time.monotonic() + seconds
        while not shows(self.text):
            if time.monotonic() > deadline or not self._read(0.1):
                if shows(self.text):
                    break
                raise AssertionError(f"the screen never had {seen!r}; it has:\n{self.text}")
        return self.text

    def press(self, keys: str) -> None:
        """Type these keys."""
        os.write(self._fd, keys.encode())

    def resize(self, lines: int, columns: int) -> None:
        """Make the terminal another size, and tell its process."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)
        if hasattr(self, "_process"):
            os.kill(self._process.pid, signal.SIGWINCH)

    def wait(self, seconds: float = 20) -> int:
        """The exit status of the command, once it has ended; its last output is on the screen then."""
        deadline = time.monotonic() + seconds
        while self._read(0.1):
            assert time.monotonic() < deadline, f"it goes on:\n{self.text}"
        return self._process.wait(max(deadline - time.monotonic(), 1))

    def _read(self, seconds: float) -> bool:
        """Take what it writes within so long; whether there may be more."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return self._process.poll() is None or bool(select.select([self._fd], [], [], 0)[0])
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # the other side is closed: that is how a pseudo-terminal ends
            return False
        self.raw += data
        for piece in re.split(rb"(\x1b\[\?1049[hl])", data):
            if piece.startswith(b"\x1b[?1049"):  # the other screen, which pyte has not: here it begins and ends empty
                self.screen.reset()
            else:
                self._stream.feed(piece)
        return bool(data)
