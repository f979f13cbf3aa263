"""Results of one key by several processes: one is given, and that it hides others is told."""

from __future__ import annotations

import pandas as pd
import pytest

from runfolio import Status, load_run
from runfolio.errors import DamageWarning
from runfolio.repair import repair
from runfolio.verification import verify

from .test_forks import in_child


def table(number: int) -> pd.DataFrame:
    return pd.DataFrame({"worker": [number]})


def store(status: Status, number: int) -> None:
    with status.step("Loader", "part", after=None) as step:
        step.result(table(number))


@pytest.fixture
def clash() -> Status:
    """A run of which three forked children stored each a result under the same key."""
    status = Status()
    status.start()
    for number in range(3):
        in_child(lambda number=number: (store(status, number), status.close()))
    status.complete()
    return status


def test_are_told_by_whoever_reads_or_verifies_the_run(clash):
    with pytest.warns(DamageWarning, match="another process used its key"):
        run = load_run(clash.folder)
    assert run.results["Loader[part]"]["data"]["worker"].tolist() == [2]
    assert len(run.result_records) == 3
    assert [finding.reason for finding in run.damage] == [
        "the result 'Loader[part]' of seq 5 is not given: another process used its key"
    ] * 2
    assert verify(clash.folder).findings == run.damage


def test_are_none_once_a_repair_has_told_of_them(clash, tmp_path):
    repaired = repair(clash.folder, to=tmp_path / "repaired")
    assert load_run(repaired.folder).damage == []


def test_are_none_behind_a_restore(root):
    status = Status()
    store(status, 0)
    status.restore_from_snapshot(status.snapshots[0].snapshot_id)
    in_child(lambda: (store(status, 1), status.close()))
    status.complete()
    run = load_run(status.folder)
    assert (run.damage, run.results["Loader[part]"]["data"]["worker"].tolist()) == ([], [1])


def test_are_none_where_a_run_was_resumed(root):
    status = Status()
    status.start()
    guest = Status.join(status.folder)
    step = guest.step("Loader", "part").__enter__()
    step.result(table(0))  # and it never ends
    guest.close()
    status.fail("on purpose")
    resumed = Status.resume(status.folder)
    store(resumed, 1)
    resumed.complete()
    run = load_run(status.folder)
    assert (run.damage, run.results["Loader[part]"]["data"]["worker"].tolist()) == ([], [1])
