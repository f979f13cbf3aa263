"""A fuzzer of what reads tables: digests are put right again, so that pyarrow and our footers are reached."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from runfolio import Status
from runfolio.artifacts import StoredResult
from runfolio.errors import RunfolioError

from . import damage, forked, golden, mutations, oracle
from .damage import uncaught

SEED = 504
FOOTER = b"runfolio"


def tables() -> dict[str, Any]:
    """A table of each kind, with what is restored by the footer."""
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["x", None])
    frame = golden.people().set_index(index)
    frame["when"] = pd.to_datetime(["2026-01-01", None, "2026-01-03"]).tz_localize("Europe/Berlin")
    frame["kind"] = pd.Categorical(["u", "v", None], ordered=True)
    frame["object"] = pd.Series([(1, 2), {"a": 1.5}, None], index=index, dtype=object)
    frame.attrs = {"source": "golden"}
    arrow = pa.table(
        {
            "d": pa.array(["u", "v", "u"]).dictionary_encode(),
            "t": pa.array([1, None, 3], pa.timestamp("s", "UTC")),
            "l": pa.array([[1, 2], [], None], pa.list_(pa.int8())),
        }
    )
    found = {
        "frame": frame,
        "plain": pd.DataFrame({"n": range(300), "x": [0.5] * 300}),
        "series": pd.Series([1, 2, 3], name=("a", 1)),
        "arrow": arrow,
        "batch": arrow.to_batches()[0],
        "frames": [golden.people(), golden.people().set_index(pd.Index([3, 5, 7], name="i"))],
        "batches": [pa.table({"n": [1, 2]}), pa.table({"n": [3]})],
        "report": {"mean": 1.5, "names": ["a", None, {"b": [True]}]},
    }
    with suppress(ImportError):
        import polars as pl

        found["polars"] = pl.DataFrame({"c": pl.Series(["u", "v"], dtype=pl.Categorical), "n": [1, None]})
    return found


def record(root: Path) -> None:
    """Record a run with a result of each kind."""
    with golden.tokens_in_order(), Status(name="tables", root=root, clock=golden.fixed_clock()) as status:
        for name, data in tables().items():
            with status.step("Loader", name, after=None) as step:
                step.result(data)


class Fuzzer:
    """A run with a result of each kind, and what is read of mutations of their files."""

    def __init__(self, root: Path) -> None:
        # In another process: this one must not have started the threads of polars when it forks others.
        golden.in_killed_process("durability.test_fuzz_tables", "record", root / "tables")
        (self.folder,) = (root / "tables").iterdir()
        self.files = golden.files_of(self.folder)
        self.lines = self.files["results.jsonl"].splitlines(keepends=True)
        self._pid = 0

    def made(self, number: int) -> tuple[bytes, str, bytes]:
        """An input: the line of a result, its file, and what is in that instead."""
        chosen = random.Random(f"{SEED}-{number}")
        line = chosen.choice(self.lines)
        file = json.loads(line)["parts"][0]["file"]
        data = self.files[file]
        if file.endswith(".json"):
            other = chosen.choice([data, self.files["run.json"]])
            mutated = mutations.of_json(json.loads(data), json.loads(other), chosen)
            return line, file, mutated if chosen.random() < 0.6 else mutations.of_bytes(data, other, chosen)
        how: Callable[..., bytes] = chosen.choice((with_other_bytes, with_other_footer, with_other_columns))
        return line, file, how(data, self.files[json.loads(chosen.choice(self.lines))["parts"][0]["file"]], chosen)

    def problem(self, number: int) -> str | None:
        """What a reader did wrong with an input; None if nothing."""
        if self._pid != os.getpid():  # a child that died left its input where it was
            self._pid = os.getpid()
            for name, content in self.files.items():
                (self.folder / name).write_bytes(content)
        line, file, data = self.made(number)
        fields = json.loads(line)
        fields["parts"][0] |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        lines = b"".join(damage.sealed(fields) if one == line else one for one in self.lines)
        path, journal = self.folder / file, self.folder / "results.jsonl"
        path.write_bytes(data)
        journal.write_bytes(lines)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return read_all(self.folder, fields["key"], number)
        except Exception as error:  # noqa: BLE001  (that there is none is what the test is about)
            return uncaught(error)
        finally:
            path.write_bytes(self.files[file])
            journal.write_bytes(self.files["results.jsonl"])


def read_all(folder: Path, key: str, number: int) -> str | None:
    """Read a result by all ways, some of them in turns, and another one, whose file is sound."""
    found = oracle.read(folder)
    stored = found.results[key]
    for read in (lambda: stored["data"], lambda: stored["schema"], *in_turn(stored, number)):
        with suppress(RunfolioError):
            read()
    other = "Loader[plain]" if key != "Loader[plain]" else "Loader[report]"
    if number % 10 == 0 and not damage.same(found.results[other]["data"], tables()[other[7:-1]]):
        return f"the data of {other}, which is sound, came back otherwise"
    return None


def in_turn(stored: StoredResult, number: int) -> list[Callable[[], object]]:
    word = ("pandas", "arrow", "polars")[number % 3]
    batches = stored.batches
    return (
        [lambda: stored.read(as_=word)],
        [lambda: list(batches(size=2)), lambda: batches().columns],
        [lambda: len(batches()), lambda: batches(size=2).read(word)],
        [lambda: stored.read(columns=["n"]), lambda: stored.read(columns=["name", "age"])],
        [stored.dataset, lambda: repr(batches()), lambda: list(batches())],
    )[number % 5]


def with_other_bytes(data: bytes, other: bytes, chosen: random.Random) -> bytes:
    """A file with a few bits flipped, mostly in its metadata, or spliced with another one."""
    if chosen.random() < 0.2:
        return mutations.of_bytes(data, other, chosen)
    found = bytearray(data)
    begin = 0 if chosen.random() < 0.3 else max(len(data) - 1200, 0)
    for _ in range(chosen.choice((1, 2, 8, 64))):
        found[chosen.randrange(begin, len(data))] ^= 1 << chosen.randrange(8)
    return bytes(found)


def with_other_footer(data: bytes, other: bytes, chosen: random.Random) -> bytes:
    """A sound Parquet file with JSON that is changed in its metadata."""
    taken = footer_of(other if other[:4] == b"PAR1" else data)
    metadata = {FOOTER: mutations.of_json(footer_of(data), taken, chosen)}
    return written(pq.read_table(io.BytesIO(data)).replace_schema_metadata(metadata))


def footer_of(data: bytes) -> Any:
    return json.loads(pq.read_metadata(io.BytesIO(data)).metadata[FOOTER])


def with_other_columns(data: bytes, other: bytes, chosen: random.Random) -> bytes:
    """A sound Parquet file, its footer as it was, with columns or rows that are not those that the footer tells of."""
    table = pq.read_table(io.BytesIO(data)).replace_schema_metadata({FOOTER: json.dumps(footer_of(data))})
    place = chosen.randrange(table.num_columns)
    column = table.column(place)
    taken = pq.read_table(io.BytesIO(other)) if other[:4] == b"PAR1" else table
    changed: Callable[[], pa.Table] = chosen.choice(
        (
            lambda: table.remove_column(place),
            lambda: table.append_column("more", column),
            lambda: table.slice(1),
            lambda: pa.concat_tables([table, table]),
            lambda: table.rename_columns([str(number) for number in range(table.num_columns)]),
            lambda: table.select(list(reversed(range(table.num_columns)))),
            lambda: table.set_column(place, table.field(place).name, pa.nulls(len(table))),
            lambda: table.set_column(place, table.field(place).name, pa.array(["x"] * len(table))),
            lambda: table.set_column(place, table.field(place).name, pa.array([2**62] * len(table))),
            lambda: taken.replace_schema_metadata(table.schema.metadata),
            lambda: table.slice(0, 0),
        )
    )
    return written(changed().replace_schema_metadata(table.schema.metadata))


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_files_of_any_content_are_read_or_refused(tmp_path, size, tally):
    trials = size(1000, 100_000)
    problems = forked.problems_of("test_fuzz_tables", tmp_path / "fresh", range(trials))
    assert not problems, f"{len(problems)} of {trials} files: {problems}"
    shown, tried = Fuzzer(tmp_path), range(0, trials, 20)
    missed = sum(found is not True for _, found in forked.each(lambda number: naive_reader(shown, number), tried))
    assert missed
    tally(
        test="mutated Parquet files and reports with their digests put right",
        trials=trials,
        faults=trials,
        acknowledged=None,
        uncaught=len(problems),
        control=f"a reader that catches nothing raised or died on {missed} of {len(tried)}",
        seed=SEED,
    )


def naive_reader(fuzzer: Fuzzer, number: int) -> bool:
    _, file, data = fuzzer.made(number)
    try:
        json.loads(data) if file.endswith(".json") else pq.read_table(io.BytesIO(data)).to_pandas()
    except Exception:  # noqa: BLE001  (whatever it is)
        return False
    return True
