"""Repairing a run: everything intact is in the new one, which is sound; the damaged one stays as it is."""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs, to_builtins

from runfolio import Run, load_run
from runfolio.repair import Repaired, repair
from runfolio.verification import read, verify

from .damage import content, harm, record_golden, record_interrupted

TRIALS = 40


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run that was completed and one that was interrupted; to be copied."""
    root = tmp_path_factory.mktemp("golden")
    return {"completed": record_golden(root), "interrupted": record_interrupted(root)}


@pytest.fixture
def golden(goldens: dict[str, Path], root: Path) -> Callable[[str], Path]:
    """A fresh copy of either run under the root; its locks are of no living process."""

    def copy(state: str = "completed") -> Path:
        folder = root / f"{goldens[state].name}-{len(list(root.iterdir())) if root.is_dir() else 0}"
        shutil.copytree(goldens[state], folder, ignore=shutil.ignore_patterns("*.lock"))
        return folder

    return copy


def without_seq(records: list[Any]) -> list[Any]:
    """Records without what a repair counts anew; first lines of writers and repairs are told of elsewhere."""
    return [_stripped(to_builtins(one)) for one in records if getattr(one, "type", "") not in ("segment", "repair")]


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stripped(one) for name, one in value.items() if name not in ("seq", "crc")}
    return [_stripped(one) for one in value] if isinstance(value, list) else value


def answers(run: Run) -> dict[str, Any]:
    """What the getters of a run answer, but its id and folder, and what only a reader of results finds out."""
    summary = run.get_status_summary()
    modules = summary["metadata_modules"]
    return {
        "state": (run.state, run.start_time, run.end_time, run.duration_seconds, run.error, run.lost),
        "summary": {name: value for name, value in summary.items() if name != "sequence"},
        "snapshots": without_seq(run.snapshots),
        "changes": without_seq(run.changes),
        "timings": without_seq(run.timing_records),
        "events": without_seq(run.events),
        "opaque": without_seq(run.opaque),
        "metadata": {module: run.get_metadata(module) for module in modules},
        "evolution": {module: run.get_metadata_evolution(module) for module in modules},
        "experiments": run.get_full_expt(),
        "timing": run.get_timing(nested=True).to_dict("list"),
    }


def intact_results(run: Run, original: Path) -> list[tuple[Any, ...]]:
    """The stored results of a run without the parts whose files are not those of the original."""
    folder = run.folder
    assert folder is not None

    def is_intact(name: str) -> bool:
        return (folder / name).is_file() and (folder / name).read_bytes() == (original / name).read_bytes()

    found = [(record, [part for part in record.parts if is_intact(part.file)]) for record in run.result_records]
    known = run._history.schemas
    return [
        (record.key, record.path, record.timestamp, [_without_lost_schema(part, known) for part in parts])
        for record, parts in found
        if parts
    ]


def _without_lost_schema(part: Any, known: dict[str, Any]) -> Any:
    return part if part.schema_id in known else structs.replace(part, schema_id=None)


def assert_repaired(damaged: Path, original: Path, done: str) -> Repaired:
    """Repair a run and hold the new one against what the damaged one answers."""
    before, old = content(damaged), read(damaged)
    assert not verify(damaged).is_sound, done
    found = repair(damaged)
    assert content(damaged) == before, done
    assert verify(found.folder).findings == [], done
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = load_run(found.folder)
    assert new.run_id == found.run_id == Path(found.folder).name == f"{damaged.name}-repaired"
    wanted, got = answers(old), answers(new)
    for name in wanted:
        assert got[name] == wanted[name], f"{done}: {name}"
    if old.name is not None:
        assert (new.name, new.tags, new.sequence) == (old.name, old.tags, old.sequence), done
    assert [
        (record.key, record.path, record.timestamp, record.parts) for record in new.result_records
    ] == intact_results(old, original), done
    for stored in new.results.values():
        assert stored["data"] is not None
    return found


@pytest.mark.parametrize("state", ["completed", "interrupted"])
@pytest.mark.parametrize("seed", range(TRIALS // 2))
def test_a_repaired_run_is_sound_and_answers_as_the_damaged_one(
    state: str, seed: int, golden: Callable[[str], Path], goldens: dict[str, Path]
) -> None:
    chance = random.Random(seed)
    damaged = golden(state)
    done = ", ".join(harm(damaged, chance) for _ in range(chance.choice([1, 1, 2, 5])))
    assert_repaired(damaged, goldens[state], done)
