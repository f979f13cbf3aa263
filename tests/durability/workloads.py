"""What is done to a run while the kernel fails: run as a script, it forks a child for each trial that it is sent.

A trial comes as JSON with a socket of its own. The child tells there each call's end at once: what was acknowledged,
or which error came. A socket is used, so that no system call of telling is one of those that are made to fail.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import tempfile
import traceback
import warnings

COLUMN = "c-0"
"""The column of the table that a step gives."""


def open_files() -> int:
    """How many descriptors this process has open."""
    return sum(1 for _ in os.scandir("/proc/self/fd"))


class Worker:
    """A child that carries out one trial: `do` makes a call and tells how it ended."""

    def __init__(self, channel: socket.socket, trial: dict) -> None:
        self.channel = channel
        self.trial = trial
        self.status = None
        self.left = ""

    def tell(self, *message) -> None:
        self.channel.send(json.dumps(message).encode())

    def do(self, kind: str, name: str, call):
        """Make a call: it is acknowledged if it returns, and nothing was counted as lost meanwhile."""
        from runfolio.errors import RunfolioError

        lost = self.lost()
        try:
            given = call()
        except RunfolioError as error:
            number, file = getattr(error, "errno", None), error.file
            self.tell("failed", kind, name, type(error).__name__, number, file, str(error))
        except BaseException:  # noqa: BLE001  (whatever it is, it is told)
            self.tell("uncaught", kind, name, traceback.format_exc())
        else:
            self.tell("lost" if self.lost() > lost else "acknowledged", kind, name)
            return given
        return None

    def lost(self) -> int:
        """What the Status counted as lost; its public getter would read the folder each time."""
        return 0 if self.status is None else self.status._recorder.writer.losses.total

    def options(self) -> dict:
        return {key: self.trial[key] for key in ("durability", "on_write_error") if key in self.trial}

    def begin(self) -> None:
        from runfolio import Status

        self.status = Status(root=self.trial["root"], **self.options())

    def change(self, number: int) -> None:
        self.do("change", f"w-{number}", lambda: self.status.record_change("UPDATE", f"w-{number}"))

    def step(self, module: str, data) -> None:
        key = f"{module}[one]"
        step = self.do("step", key, lambda: self.status.step(module, "one", after=None).__enter__())
        if step is not None:
            given = self.do("result", key, lambda: step.result(data))
            self.do("timing", module, lambda: self.leave(step, gave=given is not None))

    def leave(self, step, *, gave: bool) -> None:
        """End a step; where it gave a table that also records a change."""
        step.__exit__(None, None, None)
        if self.trial["workload"] == "table" and gave:
            self.tell("acknowledged", "change", COLUMN)

    def rest(self, first: int) -> None:
        """Changes, a step, a message, a result and the end, of a run that is under way."""
        for number in range(first, first + 3):
            self.change(number)
        self.step("Loader", self.data())
        self.do("log", f"message {first}", lambda: self.status.log(f"message {first}"))
        self.do("result", "report", lambda: self.status.store_result("report", {"rows": [1, 2, 3]}))
        self.change(first + 3)
        if not self.trial.get("ends_late"):
            self.end()

    def data(self):
        if self.trial["workload"] != "table":
            return {"rows": 3}
        import pandas as pd

        return pd.DataFrame({COLUMN: ["Ada", None]})

    def end(self) -> None:
        self.do("state", "completed", self.status.complete)

    def go_on(self) -> None:
        """After the fault: what is written now is kept."""
        if self.trial["workload"] == "resume" and self.status is None:
            self.resume()
            if self.status is not None:
                self.change(100)
                self.end()
        elif self.status._recorder.writer.ended is None:  # the getter would read the folder
            self.change(100)
            self.change(101)
            self.end()
        elif self.trial["retry_end"]:
            self.end()

    def resume(self) -> None:
        from runfolio import Status

        mode = {"on_write_error": self.trial.get("on_write_error", "raise")}
        self.status = self.do("resume", "resumed", lambda: Status.resume(self.left, **mode))

    def leave_one_behind(self) -> None:
        """A run whose process ends in the middle of a step."""
        pid = os.fork()
        if pid == 0:
            self.begin()
            self.change(0)
            self.step("Reader", {"rows": 1})
            self.status.step("Loader", "one").__enter__()
            self.change(1)
            os._exit(0)
        os.waitpid(pid, 0)
        self.left = next(entry.path for entry in os.scandir(self.trial["root"]))

    def write_on(self) -> None:
        """Write until the power is cut; a root that is not there yet is made."""
        self.tell("ready", os.getpid(), 0)
        self.channel.recv(100)
        self.begin()
        self.do("start", "started", self.status.start)
        for number in range(10_000):
            self.change(number)
            if number % 5 == 1:
                self.do("result", f"r-{number}", lambda n=number: self.status.store_result(f"r-{n}", {"n": n}))

    def write_on_bare(self) -> None:
        """The same with nothing but system calls: a file of lines, each synced before it is acknowledged."""
        self.tell("ready", os.getpid(), 0)
        self.channel.recv(100)
        try:
            self.write_lines(self.trial["root"])
        except OSError:  # the power was cut
            self.channel.recv(1)  # until it is killed

    def write_lines(self, root: str) -> None:
        os.makedirs(root)  # noqa: PTH103  (pathlib is not loaded)
        fd = os.open(f"{root}/lines", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for made in (root, os.path.dirname(root)):  # noqa: PTH120
            folder = os.open(made, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        self.tell("acknowledged", "start", "started")
        for number in range(10_000):
            os.write(fd, b"%0299d\n" % number)
            os.fdatasync(fd)
            self.tell("acknowledged", "change", f"w-{number}")

    def work(self) -> None:
        if self.trial["workload"] in {"write on", "write on bare"}:
            {"write on": self.write_on, "write on bare": self.write_on_bare}[self.trial["workload"]]()
            return
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            self.work_and_tell(warned)

    def work_and_tell(self, warned: list[warnings.WarningMessage]) -> None:
        if self.trial["workload"] == "resume":
            self.leave_one_behind()
        self.tell("ready", os.getpid(), open_files())
        self.channel.recv(100)
        if self.trial["workload"] == "resume":
            self.resume()
            if self.status is not None:
                self.rest(2)
        else:
            self.begin()
            self.do("start", "started", self.status.start)
            self.rest(0)
        self.tell("paused", 0)
        self.trial["retry_end"] = json.loads(self.channel.recv(100))
        self.go_on()
        gc.collect()  # pyarrow leaves a file that it could not finish to the garbage collector
        folder = None if self.status is None or self.status.folder is None else str(self.status.folder)
        self.tell("done", open_files(), self.lost(), folder, [str(one.message) for one in warned])


def buffered() -> None:
    """A negative control: journals as Python's own files write them."""
    from runfolio.journal import Journal

    files = {}

    def append(journal: Journal, line: bytearray) -> None:
        if journal.path not in files:
            files[journal.path] = open(journal.path, "ab")  # noqa: PTH123, SIM115
        files[journal.path].write(line)

    Journal.append = append


def unchecked() -> None:
    """A negative control: journals that don't look how much was written."""
    from runfolio.journal import Journal

    def append(journal: Journal, line: bytearray) -> None:
        os.write(journal._fd, line)
        journal.lines += 1
        journal.bytes += len(line)

    Journal.append = append


def unsynced() -> None:
    """A negative control: journals of runs for which `power` is promised, and no file is synced."""
    os.fdatasync = os.fsync = lambda fd: None
    from runfolio import journal

    journal._sync = os.fsync


CONTROLS = {"buffered": buffered, "unchecked": unchecked, "unsynced": unsynced}


def carry_out(channel: socket.socket, trial: dict) -> None:
    if "control" in trial:
        CONTROLS[trial["control"]]()
    try:
        Worker(channel, trial).work()
    except BaseException:  # noqa: BLE001  (whatever it is, it is told)
        channel.send(json.dumps(["uncaught", "worker", "itself", traceback.format_exc()]).encode())
    os._exit(0)


class Silent(Worker):
    """Does what a worker does and tells no one, so that all that is imported late has been."""

    def tell(self, *message) -> None:
        assert message[0] != "uncaught", message

    def warm_up(self) -> None:
        self.begin()
        self.rest(0)


def serve(control: socket.socket) -> None:
    """Fork a child for each trial, until the other end is closed."""
    while True:
        message, fds, _, _ = socket.recv_fds(control, 10_000, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            carry_out(socket.socket(fileno=fds[0]), json.loads(message))
        os.close(fds[0])
        os.wait()


def main() -> None:
    sys.path[:0] = json.loads(sys.argv[2])
    from runfolio import provenance

    provenance.repository_of = lambda *folders: None  # git's own calls are not under test, wherever these files lie
    for workload in json.loads(sys.argv[3]):
        with tempfile.TemporaryDirectory() as root:
            Silent(None, {"root": root, "workload": workload}).warm_up()
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
