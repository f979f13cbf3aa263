"""Every test has a root of its own, and leaves neither threads nor descriptors behind."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import settings

from runfolio import Status
from runfolio.errors import RunEndedError

settings.register_profile("facts", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("facts")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a shell runs in the background; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root that runs are recorded under by default."""
    monkeypatch.setenv("RUNFOLIO_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(autouse=True)
def nothing_leaks(tmp_path: Path) -> Iterator[None]:
    """Fail a test that leaves a heartbeat running or a file of its own open."""
    yield
    if any(map(is_heartbeat, threading.enumerate())) or open_files(tmp_path):
        gc.collect()
    for thread in filter(is_heartbeat, threading.enumerate()):
        thread.join(5)
        assert not thread.is_alive(), "a lock is still held"
    assert open_files(tmp_path) == []


def is_heartbeat(thread: threading.Thread) -> bool:
    """Whether it is the thread of a lock."""
    return thread.name == "runfolio-heartbeat"


def open_files(folder: Path) -> list[str]:
    """The files below a folder that this process has open."""
    found = []
    for link in list(Path("/proc/self/fd").iterdir()):
        try:
            found.append(str(link.readlink()))
        except FileNotFoundError:
            continue
    return [name for name in found if name.startswith(str(folder))]


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame({"name": ["Ada", "Bob", None], "age": [36, 41, 29], "weight": [71.5, None, 64.0]})


@pytest.fixture
def status(people: pd.DataFrame) -> Iterator[Status]:
    """A live run with a loader and a cleaner done."""
    found = Status(name="people", tags=["test"], sequence=["Loader", "Preprocessor", "Reporter"])
    with found.step("Loader", "csv") as step:
        step.result(people)
    with found.step("Preprocessor", "drop_na", data=people) as step:
        step.result(people.dropna().astype({"age": "float64"}).assign(bmi=[23.4], adult=True))
    yield found
    with suppress(RunEndedError):
        found.complete()
