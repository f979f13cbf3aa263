"""Tests of durability run in two sizes: each change's, and, with RUNFOLIO_DURABILITY=long, that of the table."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator

import pytest

from . import tally as tallies
from .nursery import Nursery

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 0x4000, 0x40000

PASSED = pytest.StashKey[bool]()

LONG = os.environ.get("RUNFOLIO_DURABILITY") == "long"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Tell the fixtures of a test whether it passed."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(scope="session")
def size() -> Callable[[int, int], int]:
    """Of two sizes that of this run: `size(each_change, long_run)`."""
    return lambda each_change, long_run: long_run if LONG else each_change


@pytest.fixture(scope="session", autouse=True)
def own_mounts() -> None:
    """Mounts of these tests are seen by this process and its children alone, and go when it ends, however it ends."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) == 0:
            libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """A warm process that forks writers."""
    with Nursery() as found:
        yield found


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Takes rows of the published table, and asserts what must hold of each; a long run that passes writes them."""
    rows: list[tallies.Row] = []
    begun = time.monotonic()

    def take(
        *,
        test: str,
        trials: int,
        faults: int,
        acknowledged: int | None,
        lost: int = 0,
        silent: int = 0,
        uncaught: int = 0,
        control: str,
        seed: int | None = None,
    ) -> None:
        row = tallies.Row(
            test=test,
            trials=trials,
            faults=faults,
            acknowledged=acknowledged,
            lost=lost,
            silent=silent,
            uncaught=uncaught,
            control=control,
            seed=seed,
            seconds=round(time.monotonic() - begun, 1),
        )
        assert (lost, silent, uncaught) == (0, 0, 0), row
        assert trials and faults and control, row
        rows.append(row)

    yield take
    if LONG and rows and request.node.stash[PASSED]:
        name = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")
        tallies.write(f"{request.node.path.stem.removeprefix('test_')}-{name}", rows)
