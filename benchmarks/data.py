"""The data that is measured with: frames of 15 mixed columns, and folders of ended runs. All of it from one seed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from msgspec import structs

from runfolio import Status, codec, layout

SEED = 20261122

CITIES = np.array(["Berlin", "Lagos", "Lima", "Osaka", "Quito", "Reykjavík", "Taipei", "Tunis"], dtype=object)
WORDS = np.array(
    ["late", "early", "paid", "open", "lost", "sent", "back", "twice", "cold", "warm", "spare", "round"], dtype=object
)


def frame(rows: int) -> pd.DataFrame:
    """A frame of 15 columns: 4 of integers, 4 of floats with gaps, 3 of text, 2 of times, a category, a boolean.

    Text is what pandas makes of `str` objects: `str` in pandas 3, `object` in pandas 2.
    """
    rng = np.random.default_rng(SEED)
    begin = np.datetime64("2026-01-01", "us")
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "amount_cents": rng.integers(0, 2**40, rows),
            "quantity": rng.integers(0, 100, rows, dtype="int32"),
            "year": rng.integers(1990, 2027, rows, dtype="int16"),
            "price": _gaps(rng, rng.normal(100, 15, rows).round(2)),
            "weight": _gaps(rng, rng.exponential(3.0, rows)),
            "score": _gaps(rng, rng.random(rows)),
            "ratio": _gaps(rng, rng.random(rows).astype("float32")),
            "code": [f"C{number:08d}" for number in rng.integers(0, 10**8, rows)],
            "city": np.where(rng.random(rows) < 0.05, None, rng.choice(CITIES, rows)),
            "note": rng.choice(WORDS, rows) + " " + rng.choice(WORDS, rows) + " " + rng.choice(WORDS, rows),
            "ordered_at": begin + rng.integers(0, 10**13, rows).astype("timedelta64[us]"),
            "shipped_on": begin.astype("datetime64[s]") + rng.integers(0, 300, rows) * np.timedelta64(86400, "s"),
            "grade": pd.Categorical(rng.choice(["low", "middle", "high"], rows), ["low", "middle", "high"]),
            "is_open": rng.random(rows) < 0.5,
        }
    )


def _gaps(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    values[rng.random(len(values)) < 0.1] = np.nan
    return values


def ended_run(root: Path) -> Path:
    """A run of three steps that was recorded by runfolio and completed."""
    with Status(name="nightly", tags=["benchmark"], sequence=["Loader", "Clean", "Derive"], root=root) as status:
        data = frame(100)
        for module in ("Loader", "Clean", "Derive"):
            with status.step(module, "default") as step:
                data = step.result(data.assign(**{module.lower(): 1}))
    assert status.folder is not None
    return status.folder


def ended_runs(root: Path, template: Path, count: int) -> list[str]:
    """Copies of an ended run's `run.json` under so many run ids, a minute apart, and its journals; gives their paths.

    The journals are links, for a list of ended runs only looks how long they are.
    """
    paths = []
    manifest = codec.decode_manifest((template / layout.RUN_FILE).read_bytes())
    assert manifest.end_time is not None
    for number in range(count):
        start, end = (time + timedelta(minutes=number) for time in (manifest.start_time, manifest.end_time))
        folder = root / layout.new_run_id(start, manifest.name)
        folder.mkdir(parents=True)
        copy = structs.replace(manifest, run_id=folder.name, start_time=start, end_time=end)
        (folder / layout.RUN_FILE).write_bytes(codec.encode(copy))
        for journal in template.glob("*.jsonl"):
            (folder / journal.name).hardlink_to(journal)
        paths.append(str(folder / layout.RUN_FILE))
    return paths
