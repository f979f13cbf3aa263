"""The thread of a segment that shows others that its writer lives, and sees whether its files are still there.

The lock file's mtime is the sign of life, for those whom the kernel can't tell whether its lock is held. A write to a
file that was removed succeeds, and so does one to a folder that was moved away: to look costs too much for each write,
and nothing twice a second.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable

HEARTBEAT_SECONDS = 15.0
LOOK_SECONDS = 0.5


class Heartbeat:
    """Calls `look` and, less often, `beat`, from its start until it is stopped."""

    def __init__(self, look: Callable[[], None], beat: Callable[[], None]) -> None:
        self._look, self._beat = look, beat
        self._stopped = threading.Event()
        self._mutex = threading.RLock()  # the garbage collector may end a run in this very thread

    def start(self) -> None:
        """Begin. Raises OSError if no thread can be started."""
        try:
            threading.Thread(target=self._run, name="runfolio-heartbeat", daemon=True).start()
        except RuntimeError as error:
            if error.__context__ is not None:  # a signal's handler raised just then, which confuses `threading`
                raise error.__context__ from None
            raise OSError(errno.EAGAIN, str(error)) from error

    def stop(self) -> None:
        """Neither looks nor beats when this has returned. Safe to call twice; not for a forked child."""
        with self._mutex:
            self._stopped.set()

    def _run(self) -> None:
        looks = 0
        while not self._stopped.wait(LOOK_SECONDS):
            looks += 1
            with self._mutex:
                if self._stopped.is_set():
                    return
                self._look()
                if looks % round(HEARTBEAT_SECONDS / LOOK_SECONDS) == 0:
                    self._beat()
