"""What tracking a PETsARD Executor costs: the same pipeline tracked and untracked, in turn.

python benchmarks/tracking.py [--rows N] [--batches N]

It takes an environment with PETsARD, or one with `tests/integrations/stand_ins` on PYTHONPATH as `.ci/run` makes it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measure import pair

KIT = """
class Again:
    def __init__(self, config, metadata):
        pass
    def fit(self, data):
        self.data = data
    def sample(self):
        return self.data.sample(len(self.data), replace=True, random_state=1).reset_index(drop=True)
"""
CONFIG = """
Executor: {log_output_type: stdout, log_level: CRITICAL}
Loader: {people: {filepath: people.csv}}
Splitter: {fifth: {num_samples: 1, train_split_ratio: 0.8, random_state: 1}}
Preprocessor: {default: {method: default}}
Synthesizer: {again: {method: custom_method, module_path: kit.py, class_name: Again}}
Postprocessor: {default: {method: default}}
"""
PACKAGES = ("runfolio", "petsard", "pandas", "numpy", "pyarrow")


def main() -> None:
    """Run both sides, for each profile, and print the table."""
    parser = argparse.ArgumentParser(description="Measure what tracking PETsARD costs.")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--batches", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES))
    with tempfile.TemporaryDirectory(prefix="runfolio-benchmark-") as folder:
        os.chdir(folder)
        people(options.rows).to_csv("people.csv", index=False)
        Path("kit.py").write_text(KIT, encoding="utf-8")
        print("| what | tracked: median (best) | untracked: median (best) | ratio |\n|---|---|---|---|")
        for profile in ("full", "digest", "names"):
            show(profile, options.rows, options.batches)
        os.chdir("/")


def show(profile: str, rows: int, batches: int) -> None:
    """One line of the table."""
    run(None)  # whatever is done once
    row = pair(
        "petsard",
        f"{rows:,} rows x 8, five steps, profile={profile}",
        "untracked",
        unit="s",
        batches=batches,
        ours=lambda: run(profile),
        theirs=lambda: run(None),
        bound=None,
    )
    cells = row.to_markdown().strip("| ").split(" | ")
    print(f"| {cells[0]} | {cells[1]} | {cells[2]} | {cells[4]} |", flush=True)


def run(profile: Any) -> float:
    """The seconds of one run, tracked with a profile or untracked."""
    from petsard import Executor

    from runfolio.integrations.petsard import track

    executor = Executor(CONFIG)
    with tempfile.TemporaryDirectory() as root:
        begun = time.perf_counter()
        if profile is None:
            executor.run()
        else:
            with track(executor, root=root, profile=profile) as status:
                executor.run()
            assert len(status.results) == 5
        taken = time.perf_counter() - begun
    assert executor.is_execution_completed()
    return taken


def people(rows: int) -> pd.DataFrame:
    """A frame of eight columns: numbers, and words of few and of many kinds."""
    random = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "age": random.integers(18, 90, rows),
            "income": random.normal(50_000, 9_000, rows).round(2),
            "hours": random.integers(1, 60, rows),
            "score": random.random(rows),
            "job": random.choice(["cook", "clerk", "nurse", "smith"], rows),
            "sex": random.choice(["f", "m"], rows),
            "region": random.choice([f"region {number}" for number in range(200)], rows),
            "debt": random.normal(0, 1_000, rows),
        }
    )


if __name__ == "__main__":
    main()
