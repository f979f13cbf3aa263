"""Standard tools read a run folder without help: jq, sha256sum, DuckDB, pandas and polars."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal

from runfolio import jsonschema, layout, load_run
from runfolio.errors import DamageWarning

from .test_docs import blocks_of, spelled
from .test_schemas import lines_of, record_every_kind

KINDS = list(layout.STEMS)
FREE = {"context", "details"}
"""The users' own objects, which no tool can know the type of."""

DUCKDB = {
    "text": "VARCHAR",
    "time": "TIMESTAMP WITH TIME ZONE",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "object": "JSON",
}
POLARS: dict[str, Any] = {
    "text": pl.String(),
    "time": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
}


@pytest.fixture
def folder(root: Path, people: pd.DataFrame) -> Path:
    return record_every_kind(root, people)


def documented(kind: str) -> dict[str, str]:
    """The type of each column of a journal, as docs/format.md has it: its tables are compared with the JSON Schemas."""
    return {name: spelled(field) for name, field in jsonschema.generate(kind)["properties"].items()}


def duckdb_type(name: str, schema: dict[str, Any], defs: dict[str, Any]) -> str:
    """The DuckDB type of a field: fixed objects are a STRUCT."""
    field = schema["anyOf"][0] if "anyOf" in schema else schema
    if "$ref" in field:
        properties = defs[field["$ref"].rpartition("/")[2]]["properties"]
        inner = ", ".join(f'"{key}" {duckdb_type(key, value, defs)}' for key, value in properties.items())
        return f"STRUCT({inner})"
    if field.get("type") == "array":
        return f"{duckdb_type(name, field['items'], defs)}[]"
    return DUCKDB[spelled(field)]


def query(sql: str) -> duckdb.DuckDBPyRelation:
    return duckdb.connect().sql(sql)


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [line for found, line in lines_of(folder) if found == kind]


def tear(path: Path) -> None:
    """Append a part of a line, as a killed writer leaves one."""
    first = path.read_bytes().splitlines()[0]
    with path.open("ab") as file:
        file.write(first[: len(first) // 2])


# ------------------------------------------------------------------------------------------------- the lines


def types_of(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Each place within a field that isn't the user's own, with the JSON type that is there."""
    if isinstance(value, dict):
        yield place, "object"
        for key, item in value.items():
            yield from types_of(item, f"{place}.{key}")
    elif isinstance(value, list):
        yield place, "array"
        for item in value:
            yield from types_of(item, f"{place}[]")
    elif value is not None:
        yield place, type(value).__name__


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_has_one_type_on_all_lines_and_every_line_has_every_field(folder: Path, kind: str) -> None:
    names, types = set(), {}
    for line in lines(folder, kind):
        names.add(tuple(line))
        for name, value in line.items():
            for place, found in types_of(None if name in FREE else value, name):
                assert types.setdefault(place, found) == found, place
    assert names == {tuple(documented(kind))}


@pytest.mark.parametrize("kind", KINDS)
def test_the_run_of_these_tests_sets_every_field_somewhere(folder: Path, kind: str) -> None:
    found = lines(folder, kind)
    assert [name for name in documented(kind) if all(line[name] is None for line in found)] == []


# ------------------------------------------------------------------------------------------------------ jq


def test_jq_reads_every_journal_and_run_json(folder: Path) -> None:
    _need("jq")
    paths = [*sorted(folder.glob("*.jsonl")), folder / "run.json"]
    printed = _call("jq", "-c", ".", *map(str, paths))
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line) for line in printed.splitlines()] == [json.loads(line) for line in lines]


def test_jq_leaves_a_torn_last_line_out_as_documented(folder: Path) -> None:
    _need("jq")
    (recipe,) = (block.text for block in blocks_of("runs/README.md") if block.text.startswith("jq -cR"))
    tear(folder / "changes.jsonl")
    whole = recipe.replace(" | head -n 1", "")
    assert whole != recipe
    printed = _call("bash", "-c", whole, cwd=folder)
    assert len(printed.splitlines()) == len((folder / "changes.jsonl").read_bytes().splitlines()) - 1
    with pytest.raises(subprocess.CalledProcessError):
        _call("jq", "-c", ".", str(folder / "changes.jsonl"))


# ----------------------------------------------------------------------------------------------- sha256sum


def test_sha256sum_accepts_the_sums_of_an_ended_run_and_of_a_copy(folder: Path, tmp_path: Path) -> None:
    _need("sha256sum")
    copy = shutil.copytree(folder, tmp_path / "a copy")
    for place in (folder, Path(copy)):
        checked = _call("sha256sum", "--strict", "-c", "SHA256SUMS", cwd=place).splitlines()
        files = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
        assert {line.removesuffix(": OK") for line in checked} == files - {"SHA256SUMS"}


@pytest.mark.parametrize("name", ["run.json", "events.jsonl", "results/*.parquet", "results/*.json"])
def test_sha256sum_refuses_a_file_in_which_one_bit_differs(folder: Path, name: str) -> None:
    _need("sha256sum")
    path = next(folder.glob(name))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(subprocess.CalledProcessError):
        _call("sha256sum", "-c", "SHA256SUMS", cwd=folder)


# -------------------------------------------------------------------------------------------------- DuckDB


@pytest.mark.parametrize("kind", KINDS)
def test_duckdb_finds_the_documented_types_by_itself(folder: Path, kind: str) -> None:
    journals = folder / f"{layout.STEMS[kind]}*.jsonl"
    relation = query(f"FROM read_ndjson('{journals}', union_by_name = true, sample_size = -1)")
    schema = jsonschema.generate(kind)
    found = {
        name: _unquoted(str(kind)).replace("withheld NULL", "withheld VARCHAR")  # no line of this run has one
        for name, kind in zip(relation.columns, relation.types, strict=True)
        if name not in FREE
    }
    expected = {
        name: _unquoted(duckdb_type(name, field, schema.get("$defs", {})))
        for name, field in schema["properties"].items()
        if name not in FREE
    }
    assert found == expected
    assert len(relation) == len(lines(folder, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_duckdb_reads_with_named_columns_what_json_reads(folder: Path, kind: str) -> None:
    journals = folder / f"{layout.STEMS[kind]}*.jsonl"
    schema = jsonschema.generate(kind)
    types = {name: duckdb_type(name, field, schema.get("$defs", {})) for name, field in schema["properties"].items()}
    columns = ", ".join(f"{name}: '{type_}'" for name, type_ in types.items())
    times = {name for name, type_ in types.items() if type_.startswith("TIMESTAMP")}
    # In Python, DuckDB gives such times as objects only where pytz is installed.
    chosen = ", ".join(f'epoch_us("{name}") AS "{name}"' if name in times else f'"{name}"' for name in types)
    relation = query(f"SELECT {chosen} FROM read_ndjson('{journals}', columns = {{{columns}}}) ORDER BY crc")
    rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
    expected = sorted(lines(folder, kind), key=lambda line: line["crc"])
    for row, line in zip(rows, expected, strict=True):
        for name in FREE & row.keys():
            assert json.loads(row[name]) == line[name]
        for name in times:
            assert row[name] * 1000 == pd.Timestamp(line[name]).value
        others = row.keys() - FREE - times
        assert {name: row[name] for name in others} == {name: line[name] for name in others}


def test_duckdb_turns_a_torn_last_line_into_a_row_of_nulls_as_documented(folder: Path) -> None:
    path = folder / "changes.jsonl"
    count = len(path.read_bytes().splitlines())
    tear(path)
    table = f"read_ndjson('{path}', sample_size = -1, ignore_errors = true)"
    assert query(f"SELECT count(*), count(seq) FROM {table}").fetchall() == [(count + 1, count)]
    with pytest.raises(duckdb.InvalidInputException):
        query(f"SELECT count(seq) FROM read_ndjson('{path}', sample_size = -1)").fetchall()


def test_duckdb_reads_parquet_results_and_their_footer(folder: Path) -> None:
    for name, frame in _frames(folder):
        assert query(f"FROM '{folder / name}'").fetchall() == list(_plain(frame).itertuples(index=False, name=None))
        sql = f"SELECT decode(value) FROM parquet_kv_metadata('{folder / name}') WHERE decode(key) = 'runfolio'"
        ((footer,),) = query(sql).fetchall()
        assert json.loads(footer)["version"] == 2
        assert len(json.loads(footer)["columns"]) == frame.shape[1]


# -------------------------------------------------------------------------------------------------- pandas


@pytest.mark.parametrize("kind", KINDS)
def test_pandas_reads_every_journal_with_the_documented_types(folder: Path, kind: str) -> None:
    for path in folder.glob(f"{layout.STEMS[kind]}*.jsonl"):
        frame = pd.read_json(path, lines=True, dtype=False, precise_float=True)
        expected = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert list(frame.columns) == list(documented(kind))
        for name, type_ in documented(kind).items():
            found, values = frame[name], [line[name] for line in expected]
            if type_.startswith("time"):
                assert pd.to_datetime(found).to_list() == list(map(pd.Timestamp, values))
                assert str(pd.to_datetime(found).dt.tz) == "UTC"
            elif type_ == "integer":
                assert (found.dtype, found.to_list()) == ("int64", values)
            elif type_.startswith(("integer", "number")) and any(value is not None for value in values):
                assert (found.dtype, found.dropna().to_list()) == ("float64", [v for v in values if v is not None])
            else:
                assert [None if _is_missing(value) else value for value in found] == values


def test_pandas_keeps_texts_that_look_like_numbers(root: Path, people: pd.DataFrame) -> None:
    folder = record_every_kind(root, people.rename(columns={"weight": "001"}).assign(weight=1.0))
    targets = pd.read_json(folder / "changes.jsonl", lines=True, dtype=False, precise_float=True)["target"].to_list()
    assert "001" in targets


def test_pandas_and_polars_read_the_sound_lines_of_a_torn_and_damaged_journal_as_documented(folder: Path) -> None:
    path = folder / "changes.jsonl"
    sound = path.read_bytes().splitlines()
    damaged = sound[1].replace(b'"kind"', b'"kin', 1)
    path.write_bytes(b"\n".join([sound[0], damaged, *sound[2:], b""]))
    tear(path)
    (recipe,) = (block.text for block in blocks_of("runs/README.md") if "def sound_lines" in block.text)
    namespace: dict[str, Any] = {}
    exec(recipe.partition("\n\n\nchanges =")[0], namespace)
    found = namespace["sound_lines"](path)
    assert found.splitlines() == [sound[0], *sound[2:]]
    assert len(pd.read_json(BytesIO(found), lines=True, dtype=False, precise_float=True)) == len(sound) - 1
    assert pl.read_ndjson(BytesIO(found), infer_schema_length=None).height == len(sound) - 1
    with pytest.raises(ValueError):
        pd.read_json(path, lines=True, dtype=False, precise_float=True)
    with pytest.raises(pl.exceptions.ComputeError):
        pl.read_ndjson(path, infer_schema_length=None)


# -------------------------------------------------------------------------------------------------- polars


@pytest.mark.parametrize("kind", KINDS)
def test_polars_reads_every_journal_with_the_documented_types(folder: Path, kind: str) -> None:
    paths = sorted(folder.glob(f"{layout.STEMS[kind]}*.jsonl"))
    frames = [pl.scan_ndjson(path, infer_schema_length=None) for path in paths]
    frame = pl.concat(frames, how="diagonal_relaxed").collect()
    expected = lines(folder, kind)
    assert frame.columns == list(documented(kind))
    for name, type_ in documented(kind).items():
        if type_.removesuffix("?") in POLARS:
            assert frame.schema[name] == POLARS[type_.removesuffix("?")], name
            assert sorted(map(str, frame[name].to_list())) == sorted(str(line[name]) for line in expected)
        elif type_.startswith("list"):
            assert isinstance(frame.schema[name], pl.List), name
        else:
            assert isinstance(frame.schema[name], pl.Struct), name


def test_polars_reads_parquet_results(folder: Path) -> None:
    for name, frame in _frames(folder):
        assert pl.read_parquet(folder / name).rows() == list(_plain(frame).itertuples(index=False, name=None))


def test_pandas_reads_parquet_results(folder: Path) -> None:
    for name, frame in _frames(folder):
        assert_frame_equal(pd.read_parquet(folder / name), frame)


# --------------------------------------------------------------------------------------------------- parts


def _frames(folder: Path) -> list[tuple[str, pd.DataFrame]]:
    """The path of each Parquet file of a run, and its frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DamageWarning)
        run = load_run(folder)
    found = []
    for stored in run.results.values():
        for part in stored.record.parts:
            if part.format == "parquet":
                data = stored["data"]
                found.append((part.file, data if part.name is None else data[part.name]))
    assert found
    return found


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as its Parquet file has it: with the levels of its index behind its columns, missing values as None."""
    whole = frame if isinstance(frame.index, pd.RangeIndex) else pd.concat([frame, frame.index.to_frame()], axis=1)
    return whole.astype(object).where(whole.notna(), None)


def _is_missing(value: Any) -> bool:
    return value is None or (not isinstance(value, (dict, list)) and bool(pd.isna(value)))


def _unquoted(type_: str) -> str:
    return type_.replace('"', "")


def _need(command: str) -> None:
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not on this machine")


def _call(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True, timeout=60).stdout
