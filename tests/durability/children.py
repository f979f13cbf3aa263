"""Processes that write runs until they are killed: what they write, and the warm process that forks them.

Run as a script it serves a `Nursery`. Each record has a name `<worker>-<number>` from which all that it holds follows,
and is acknowledged, as `<kind>:<name>`, after the call that recorded it returned.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BufferedWriter
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

from runfolio import Status, journal
from runfolio.recorder import Recorder
from runfolio.segment import Segment

Acknowledge = Callable[[str], None]

THREADS = 4
BATCH = 1000


def payload(name: str) -> dict[str, Any]:
    """What a record of this name holds beside it."""
    return {"name": name, "text": "ä" * (crc32(name.encode()) % 200)}


def long_payload(name: str) -> dict[str, Any]:
    """So much that a kill may well tear its line."""
    return {"name": name, "text": "long " * 100_000}


def report(name: str) -> dict[str, Any]:
    """A result that is no table."""
    return {"name": name, "numbers": list(range(crc32(name.encode()) % 400))}


# What they write: without end, or so many


def changes(status: Status, acknowledge: Acknowledge, worker: int = 0) -> None:
    """One change after the other."""
    for number in count():
        name = f"{worker}-{number}"
        status.record_change("UPDATE", name, payload(name))
        acknowledge(f"change:{name}")


def threads(status: Status, acknowledge: Acknowledge, worker: int = 0) -> None:
    """Changes from several threads at once."""
    run_threads(lambda number: changes(status, acknowledge, worker * THREADS + number))


def long_lines(status: Status, acknowledge: Acknowledge, worker: int = 0) -> None:
    """Changes whose lines take long to write."""
    for number in count():
        name = f"{worker}-{number}"
        status.record_change("UPDATE", name, long_payload(name))
        acknowledge(f"change:{name}")


def reports(status: Status, acknowledge: Acknowledge, worker: int = 0) -> None:
    """Results in files of their own."""
    for number in count():
        name = f"{worker}-{number}"
        status.store_result(name, report(name))
        acknowledge(f"result:{name}")


def steps(status: Status, acknowledge: Acknowledge, worker: int = 0) -> None:
    """Records of every kind, in steps and beside them."""
    for number in count():
        name = f"{worker}-{number}"
        with status.step("Module", name, after=None) as step:
            acknowledge(f"began:{name}")
            step.log(name)
            acknowledge(f"log:{name}")
            status.record_snapshot("Hand", name, context=payload(name))
            acknowledge(f"snapshot:{name}")
            status.record_timing("Hand", name, "by hand", 0, number, context=payload(name))
            acknowledge(f"timing:{name}")
            step.result(report(name))
            acknowledge(f"result:{name}")
        acknowledge(f"ended:{name}")


WRITERS = {writer.__name__: writer for writer in (changes, threads, long_lines, reports, steps)}


def run_threads(write: Callable[[int], None], number: int = THREADS) -> None:
    """Call it in several threads, each with its number, until all have ended."""
    with ThreadPoolExecutor(number) as pool:
        list(pool.map(write, range(number)))


# What a nursery is asked for


def record(
    acknowledge: Acknowledge, what: str, root: str, worker: int = 0, resume: bool = False, **options: Any
) -> None:
    """Write a run of its own without end, or go on with the one that was there."""
    acknowledge("up")
    status = Status.resume("latest", root=root) if resume else Status(root=root, **options)
    WRITERS[what](status, acknowledge, worker)


def record_in_pieces(acknowledge: Acknowledge, **wanted: Any) -> None:
    """The same, with every third line in two pieces: a kill may well leave the first alone."""
    write_in_pieces(3)
    record(acknowledge, **wanted)


def record_interrupted(acknowledge: Acknowledge, root: str, how: str, signals: int, seed: int) -> None:
    """A run whose process gets so many signals at random moments while it records; their handler raises or records.

    What was acknowledged is told at the end, for a handler may raise anywhere.
    """
    status, rng, ledger, handled = Status(root=root), random.Random(seed), [], count()
    inside = False
    status.start()

    def handle(*_: object) -> None:
        name = f"{signals}-{next(handled)}"
        if how == "record":
            status.log(name)
            ledger.append(f"log:{name}")
        elif inside:
            raise KeyboardInterrupt

    def keep(label: str) -> None:
        ledger.append(label)
        if how == "record" and signal.getitimer(signal.ITIMER_REAL)[0] == 0:
            raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, handle)
    for worker in range(signals):
        try:
            inside = True
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0001, 0.003), 0.05 if how == "raise" else 0)
            WRITERS["steps" if worker % 2 else "changes"](status, keep, worker)
        except KeyboardInterrupt:
            inside = False
    signal.setitimer(signal.ITIMER_REAL, 0)
    status.complete()
    for label in [*ledger, "ended"]:
        acknowledge(label)


def record_interrupted_and_go_on(acknowledge: Acknowledge, **wanted: Any) -> None:
    """Not to be done: a line that was interrupted is taken for one that was not written."""
    write = Segment._write

    def careless(segment: Segment, kind: str) -> bool:
        try:
            return write(segment, kind)
        except KeyboardInterrupt:
            segment.broken = kind not in segment._journals
            raise

    Segment._write = careless  # type: ignore[method-assign]
    record_interrupted(acknowledge, **wanted)


def record_buffered(acknowledge: Acknowledge, **wanted: Any) -> None:
    """Not to be done: lines go through Python's buffered files."""
    files: dict[Path, BufferedWriter] = {}

    def append(into: journal.Journal, line: bytes) -> None:
        if into.path not in files:
            files[into.path] = into.path.open("ab")
        files[into.path].write(line)

    journal.Journal.append = append  # type: ignore[method-assign]
    record(acknowledge, **wanted)


def crowd(acknowledge: Acknowledge, root: str, processes: int, each: int = 0, seconds: float = 0) -> None:
    """One run, in which several forked processes write: so many changes from each thread, or for so long."""
    status = Status(root=root)
    status.start()
    acknowledge(f"folder:{status.folder}")

    def work(worker: int) -> None:
        if each:
            write_each(status, acknowledge, worker, each)
        else:
            write_for(status, acknowledge, worker, seconds)

    pids = [fork(lambda worker=worker: work(worker)) for worker in range(processes)]
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids), "a worker failed"
    status.complete()


def paced(
    acknowledge: Acknowledge, *, root: str, processes: int, rate: float, seconds: float, tear: int = 0, end: bool = True
) -> None:
    """One run, to which forked processes write changes and messages in turn, so many a second together.

    Every so-many-th line is written in two pieces with a pause between. Without an end it goes on until killed.
    """
    status = Status(root=root)
    status.start()
    acknowledge(f"folder:{status.folder}")
    if tear:
        write_in_pieces(tear)

    def work(worker: int) -> None:
        begun, number = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            name = f"{worker}-{number // 2}"
            if number % 2:
                status.log(name)
                acknowledge(f"upto:{name}")
            else:
                status.record_change("UPDATE", name, payload(name))
            number += 1
            time.sleep(max(begun + number * processes / rate - time.monotonic(), 0))
        if number % 2:
            status.log(name)
            acknowledge(f"upto:{name}")

    pids = [fork(lambda worker=worker: work(worker)) for worker in range(processes)]
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids), "a worker failed"
    acknowledge("written")
    if end:
        status.complete()
    else:
        time.sleep(60)


def write_in_pieces(every: int, pause: float = 0.008) -> None:
    """Have every so-many-th line of this process and its children come in two pieces."""
    whole, numbers = os.write, count(1)

    def write(fd: int, data: Any) -> int:
        if len(data) < 200 or next(numbers) % every:
            return whole(fd, data)
        half = len(data) // 2
        done = whole(fd, bytes(data[:half]))
        time.sleep(pause)
        return done + whole(fd, bytes(data[half:]))

    os.write = write


def alone(acknowledge: Acknowledge, root: str, seconds: float) -> None:
    """One run, to which several threads of one process write for so long."""
    with Status(root=root) as status:
        status.start()
        acknowledge(f"folder:{status.folder}")
        write_for(status, acknowledge, 0, seconds)


def crowd_in_one_segment(acknowledge: Acknowledge, **wanted: Any) -> None:
    """Not to be done: forked processes go on in their parent's segment, in the same files."""
    journal._APPEND &= ~os.O_EXCL
    Recorder._after_fork = lambda _: None  # type: ignore[method-assign]
    crowd(acknowledge, **wanted)


def join(acknowledge: Acknowledge, folder: str, worker: int, each: int) -> None:
    """Write to a run that another process began."""
    with Status.join(folder) as status:
        write_each(status, acknowledge, worker, each)


def write_each(status: Status, acknowledge: Acknowledge, worker: int, each: int) -> None:
    """So many changes from each thread; every thousandth and the last are acknowledged, and so those before."""

    def write(thread: int) -> None:
        name = worker * THREADS + thread
        for number in range(each):
            status.record_change("UPDATE", f"{name}-{number}", {"n": number})
            if number % BATCH == BATCH - 1:
                acknowledge(f"upto:{name}-{number}")
        acknowledge(f"upto:{name}-{each - 1}")

    run_threads(write)


def write_for(status: Status, acknowledge: Acknowledge, worker: int, seconds: float) -> None:
    """Changes short and long, and messages, from each thread at full speed; the last is acknowledged."""
    deadline = time.monotonic() + seconds
    os.nice(5)  # so that a reader keeps up, where there are no more processors than writers

    def write(thread: int) -> None:
        number = -1
        while number < 0 or time.monotonic() < deadline:  # one at least, on a busy machine
            number += 1
            name = f"{worker * THREADS + thread}-{number}"
            status.record_change("UPDATE", name, long_payload(name) if number % 500 == 99 else payload(name))
            status.log(name)
        acknowledge(f"upto:{name}")

    run_threads(write)


def linger(acknowledge: Acknowledge, root: str, offspring: str = "") -> None:
    """Begin a run, have a child of some sort that lives on, and do nothing until killed."""
    status = Status(root=root)
    status.log("here")
    if offspring:
        acknowledge(f"child:{OFFSPRING[offspring]()}")
    acknowledge(f"folder:{status.folder}")
    time.sleep(60)


def become_another_program(acknowledge: Acknowledge, root: str) -> None:
    """Begin a run, and go on as another program under the same process id."""
    status = Status(root=root)
    status.log("here")
    acknowledge(f"folder:{status.folder}")
    os.execvp("sleep", ["sleep", "60"])


def _by_multiprocessing(method: str) -> int:
    process = multiprocessing.get_context(method).Process(target=time.sleep, args=(60,))
    process.start()
    assert process.pid is not None
    return process.pid


OFFSPRING: dict[str, Callable[[], int]] = {
    "os.fork": lambda: fork(lambda: time.sleep(60)),
    "os.fork in a session of its own": lambda: fork(lambda: (os.setsid(), time.sleep(60))),
    "multiprocessing, fork": lambda: _by_multiprocessing("fork"),
    "multiprocessing, spawn": lambda: _by_multiprocessing("spawn"),
    "multiprocessing, forkserver": lambda: _by_multiprocessing("forkserver"),
    "subprocess": lambda: subprocess.Popen(["sleep", "60"], close_fds=False).pid,
}


# The warm process


def fork(work: Callable[[], None]) -> int:
    """Do this in a forked child, whose exit status says whether it could; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:  # noqa: BLE001  (nothing may go on in a forked child)
        traceback.print_exc()
        os._exit(1)


def serve(server: socket.socket) -> None:
    """Fork what is asked for, each with a pipe to acknowledge through, and say how those that ended did so."""
    while True:
        message, fds, _, _ = socket.recv_fds(server, 1 << 16, 1)
        if not message:
            return
        wanted = json.loads(message)
        if "wait" in wanted:
            server.send(b"%d" % os.waitpid(wanted["wait"], 0)[1])
            continue
        (pipe,) = fds
        pid = fork(partial(_work, server, pipe, wanted))
        os.close(pipe)
        server.send(b"%d" % pid)


def _work(server: socket.socket, pipe: int, wanted: dict[str, Any]) -> None:
    server.close()
    globals()[wanted.pop("do")](lambda label: os.write(pipe, label.encode() + b"\n"), **wanted)


def warm_up() -> None:
    """Load what a first write loads, once for all children."""
    with TemporaryDirectory() as root, Status(root=root) as status, status.step("Module", "0") as step:
        step.result(report("0-0"))
    for heartbeat in set(threading.enumerate()) - {threading.main_thread()}:
        heartbeat.join()  # a process that forks has one thread


if __name__ == "__main__":
    warm_up()
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        serve(listening)
