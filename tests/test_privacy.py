"""Privacy: no byte of canaries is in any file of a run that withholds them, however it ends; what is recorded instead.

A canary is looked for as text, as JSON escapes it, as the bytes of a number, and in what Parquet files hold unpacked.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runfolio import Executor, Status, load_run
from runfolio.errors import ConfigError, UsageError, WithheldError, WriteWarning
from runfolio.privacy import OTHERS, Privacy
from runfolio.records import Description
from runfolio.schema import Schema
from runfolio.verification import verify

from .fulldisk import file_size_limit

TEXTS = ("Canärienvogel-7Q", "kanari3-index", "Fink/~Zeisig", "Girlitz-level")
NAME = "Stieglitz-column"
FLOAT = 8314.459848
INTEGER = 7_362_514_908_877

SCHEMA = {"*": "schema"}


def secrets() -> pd.DataFrame:
    """Data with canaries as cells, categories, index labels and numbers, the latter at both ends of their range."""
    return pd.DataFrame(
        {
            "text": [TEXTS[0], TEXTS[2], "x"],
            "level": pd.Categorical([TEXTS[3], "a", "b"]),
            "amount": [FLOAT, 1.5, 2.5],
            "number": [INTEGER, 5, 6],
        },
        index=pd.Index([TEXTS[1], "q", "r"], name="who"),
    )


def forms(text: str) -> set[bytes]:
    """The bytes that a text may have in a file."""
    return {text.encode(), json.dumps(text)[1:-1].encode(), text.encode("utf-16-le"), repr(text)[1:-1].encode()}


def needles() -> dict[str, set[bytes]]:
    """What is looked for, by what it is of."""
    numbers = {
        "float": {repr(FLOAT).encode(), struct.pack("<d", FLOAT), struct.pack("<f", FLOAT), f"{FLOAT:,}".encode()},
        "integer": {str(INTEGER).encode(), struct.pack("<q", INTEGER), f"{INTEGER:,}".encode()},
    }
    return {**{text: forms(text) for text in TEXTS}, **numbers}


def haystack(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file in a folder, its path as well, and what Parquet files and their footers hold unpacked."""
    for path in sorted(folder.rglob("*")):
        yield "a name", str(path.relative_to(folder)).encode()
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield path.name, data
        yield path.name, json_unescaped(data)
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            yield path.name, repr((table.to_pydict(), table.schema.metadata)).encode()
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            yield path.name, sink.getvalue().to_pybytes()


def json_unescaped(data: bytes) -> bytes:
    r"""The same where `\u00e4` is what it stands for."""
    return re.sub(rb"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)).encode(errors="replace"), data)


def found_in(folder: Path | None, more: dict[str, set[bytes]] | None = None) -> set[str]:
    """Which canaries are in a folder."""
    assert folder is not None
    wanted = needles() if more is None else more
    pieces = list(haystack(folder))
    assert len(pieces) > 5
    return {name for name, spelled in wanted.items() for _, data in pieces for one in spelled if one in data}


def names_found(folder: Path | None) -> set[str]:
    """Which names of columns, made of values or not, are in a folder."""
    return found_in(folder, {name: forms(name) for name in (*TEXTS[::3], NAME, "amount")})


# Pipelines


def load() -> dict[str, Any]:
    return {"main": secrets(), "notes": {"first": TEXTS[0], "worth": FLOAT}}


def encode(data: dict[str, Any], step: Any) -> pd.DataFrame:
    step.log("encoding")
    assert step.data("Loader")["notes"]["worth"] == FLOAT
    frame = data["main"]
    return pd.get_dummies(frame, columns=["text", "level"])


def describe(data: pd.DataFrame) -> pd.DataFrame:
    return data.describe()


def by_text(data: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Parts that are named by values."""
    return {str(label): rows for label, rows in data.reset_index().groupby("who")}


def fail(data: Any) -> pd.DataFrame:
    try:
        float(TEXTS[0])
    except ValueError as error:
        raise KeyError(TEXTS[2], FLOAT, INTEGER) from error
    raise AssertionError(data)


def pipeline(run: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Run": run,
        "Loader": {"a": {"method": load}},
        "Encoder": {"b": {"method": encode}},
        **more,
        "Describer": {"c": {"method": describe}},
    }


def run_failing(executor: Executor) -> None:
    with pytest.raises(KeyError, match="Fink"):
        executor.run()


def test_the_search_finds_every_canary_in_a_run_with_the_defaults() -> None:
    executor = Executor(pipeline({}))
    executor.run()
    assert found_in(executor.status.folder) == {*TEXTS, "float", "integer"}


def test_the_search_finds_canaries_in_what_a_failing_step_says() -> None:
    executor = Executor(
        {"Loader": {"a": {"method": lambda: pd.DataFrame({"n": [1]})}}, "Fail": {"f": {"method": fail}}}
    )
    run_failing(executor)
    assert found_in(executor.status.folder) == {TEXTS[0], TEXTS[2], "float", "integer"}


@pytest.mark.parametrize("profile", ["names", "hashed"])
@pytest.mark.parametrize("ending", ["completed", "failed"])
def test_no_canary_is_in_a_run_of_an_executor_that_withholds_all(profile: str, ending: str) -> None:
    more = {"Splitter": {"s": {"method": by_text}}, "Fail": {"f": {"method": fail}}} if ending == "failed" else {}
    executor = Executor(pipeline({"results": SCHEMA, "profile": {OTHERS: profile}}, **more))
    run_failing(executor) if ending == "failed" else executor.run()
    folder = executor.status.folder
    assert executor.status.state == ending
    # Names of columns and parts are names, also where values made them.
    expected = (
        {TEXTS[0], TEXTS[2], TEXTS[3], *([TEXTS[1]] if ending == "failed" else [])} if profile == "names" else set()
    )
    assert found_in(folder) == expected
    assert names_found(folder) == ({TEXTS[0], TEXTS[3], "amount"} if profile == "names" else set())
    assert folder is not None and verify(folder).findings == []
    assert not (folder / "results").exists()


def test_with_names_no_canary_is_there_where_no_value_became_a_name() -> None:
    executor = Executor({"Run": {"results": "schema", "profile": "names"}, "Loader": {"a": {"method": load}}})
    executor.run()
    assert found_in(executor.status.folder) == set()


def test_a_module_may_withhold_what_the_others_store() -> None:
    def harmless(data: dict[str, Any]) -> pd.DataFrame:
        return pd.DataFrame({"rows": [len(data["main"])]})

    run = {"results": {"Loader": "schema"}, "profile": {"Loader": "hashed"}}
    executor = Executor({"Run": run, "Loader": {"a": {"method": load}}, "Count": {"b": {"method": harmless}}})
    executor.run()
    assert found_in(executor.status.folder) == set()
    assert names_found(executor.status.folder) == set()
    stored = executor.get_result()["Loader[a]_Count[b]"]
    assert stored["data"]["rows"].tolist() == [3]
    assert stored["schema"]["rows"].statistics is not None
    assert {change.target for change in executor.status.changes if change.module_name == "Count"} >= {"rows"}


# Steps by hand


@pytest.mark.parametrize("profile", ["names", "hashed"])
def test_no_canary_is_in_a_run_whose_steps_are_by_hand(profile: str) -> None:
    frame, status = secrets().rename(columns={"text": NAME}), Status(results="schema", profile=profile)
    with pytest.raises(ValueError, match="could not convert"):
        record_by_hand(status, frame)
    assert status.state == "failed"
    assert found_in(status.folder) == set()
    assert (NAME in names_found(status.folder)) is (profile == "names")


def record_by_hand(status: Status, frame: pd.DataFrame) -> None:
    """Record steps of all kinds, and end with an error outside of any."""
    with status:
        with status.step("Loader", "a") as step:
            step.result(frame)
        with status.step("Clean", "b", data=frame) as step:
            step.result({"kept": frame.iloc[:2], "said": TEXTS[0]})
        with status.step("Stream", "c", data=frame) as step:
            assert [len(one) for one in step.result(frame.iloc[:count] for count in (1, 2))] == [1, 2]
        status.record_snapshot("Other", "d", {"schema_after": Schema.from_data(frame)})
        change = status.record_change(
            "UPDATE", NAME, before=Schema.from_data(frame)[NAME], after=Description(name=NAME, nulls=3, dtype="str")
        )
        assert change.before is not None and change.before.statistics is None and change.before.nulls is None
        status.store_result("mine", frame, Schema.from_data(frame))
        with suppress(KeyError), status.step("Fail", "e"):
            fail(frame)
        frame[NAME].astype(float)


@pytest.mark.parametrize("profile", ["names", "hashed"])
def test_no_canary_is_in_a_run_that_was_killed_midway(profile: str, tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        status = Status(root=tmp_path / "killed", results="schema", profile=profile)
        step = status.step("Loader", "a", data=secrets()).__enter__()
        step.result({"main": secrets(), "again": secrets().drop(columns="number")})
        os._exit(9)
    os.waitpid(pid, 0)
    (folder,) = (tmp_path / "killed").iterdir()
    assert load_run(folder).state == "interrupted"
    assert found_in(folder) == set()
    assert ("amount" in names_found(folder)) is (profile == "names")


def test_no_canary_is_in_a_run_whose_records_were_lost() -> None:
    with pytest.warns(WriteWarning), Status(results="schema", profile="hashed", on_write_error="warn") as status:
        with status.step("Loader", "a") as step, file_size_limit(100):
            step.result(secrets())
        with suppress(KeyError), status.step("Fail", "b"):
            fail(None)
    assert status.lost > 0
    assert found_in(status.folder) == set()


def test_an_error_that_leaves_a_joined_process_has_no_message() -> None:
    with Status(results={"Loader": "schema"}) as status:
        status.start()
        assert status.folder is not None
        with pytest.raises(KeyError), Status.join(status.folder):
            fail(None)
    assert found_in(status.folder) == set()
    assert "KeyError" in (status.events[-2].message or "")


def test_an_error_is_recorded_by_its_type_and_places() -> None:
    with pytest.raises(KeyError), Status(results={"Loader": "schema"}) as status:
        fail(None)
    error = load_run(status.folder).error  # type: ignore[arg-type]
    assert error is not None
    assert error.type == "KeyError"
    assert "left out" in error.message
    assert "ValueError" in error.traceback and "in fail" in error.traceback and __file__ in error.traceback


def test_without_withheld_data_errors_keep_their_messages() -> None:
    with pytest.raises(KeyError), Status(profile="names") as status:
        fail(None)
    assert status.error is not None and TEXTS[2] in status.error.message


# What is recorded


def test_equal_names_have_equal_hashes_within_a_run_and_others_in_the_next() -> None:
    runs = []
    for _ in range(2):
        with Status(results="schema", profile="hashed") as status:
            with status.step("Loader", "a") as step:
                step.result(pd.DataFrame({"n": [1], "gone": [2]}))
            with status.step("Clean", "b") as step:
                step.result(pd.DataFrame({"n": [1], "come": ["x"]}))
        runs.append([schema.columns for schema in (one["schema"] for one in status.results.values())])
        changes = [(change.type, change.target) for change in status.changes if change.module_name == "Clean"]
        assert changes == [("DELETE", runs[-1][0][1]), ("CREATE", runs[-1][1][1])]
        assert all(re.fullmatch("#[0-9a-f]{16}", name) for columns in runs[-1] for name in columns)
    assert all(first[0] == second[0] for first, second in runs)
    assert not {*runs[0][0], *runs[0][1]} & {*runs[1][0], *runs[1][1]}


def test_a_column_that_goes_from_hashed_to_named_is_no_change() -> None:
    run = {"results": {"Loader": "schema"}, "profile": {"Loader": "hashed", OTHERS: "digest"}}
    with Status(**run) as status:
        with status.step("Loader", "a") as step:
            step.result(pd.DataFrame({"n": [1], "gone": [2], "level": pd.Categorical(["x"])}))
        with status.step("Clean", "b") as step:
            step.result(pd.DataFrame({"n": [1], "level": pd.Categorical(["x"])}))
    (change,) = (change for change in status.changes if change.module_name == "Clean")
    assert change.type == "DELETE" and change.target.startswith("#")
    assert status.results["Loader[a]_Clean[b]"]["schema"].columns == ["n", "level"]


def test_dtypes_with_values_in_their_spelling_are_told_without_them() -> None:
    sparse = pd.DataFrame({"number": pd.arrays.SparseArray([INTEGER, 1], fill_value=INTEGER)})
    levels = pl.DataFrame({"levels": [["a"]]}, schema={"levels": pl.List(pl.Enum([TEXTS[3], "a"]))})
    with Status(results="schema", profile="names") as status, status.step("Loader", "a") as step:
        step.result({"sparse": sparse, "levels": levels})
    assert found_in(status.folder) == set()
    assert [schema.fields[0].dtype for schema in status.results["Loader[a]"]["schema"].values()] == [
        "Sparse[int64, …]", "List(Enum)",
    ]  # fmt: skip


def test_data_of_a_module_goes_by_the_strictest_before_it() -> None:
    with Status(results={"Loader": "schema"}, profile={"Loader": "names"}) as status:
        with status.step("Loader", "a") as step:
            frame = step.result(secrets())
        with status.step("Describer", "b", data=frame) as step:
            step.result({"rows": 3})
    assert found_in(status.folder) == set()


def test_asking_for_withheld_data_raises_and_its_outline_is_there() -> None:
    with Status(results="schema") as status, status.step("Loader", "a") as step:
        step.result(load())
    stored = load_run(status.folder).results["Loader[a]"]  # type: ignore[arg-type]
    main, notes = stored.record.parts
    assert (main.name, main.rows, main.columns, main.type, main.file, main.withheld) == (
        "main", 3, 4, "pandas.DataFrame", None, "schema",
    )  # fmt: skip
    assert (notes.name, notes.type, notes.rows) == ("notes", "report", None)
    assert stored["schema"]["main"]["number"].statistics.maximum == str(INTEGER)
    with pytest.raises(WithheldError, match="module Loader"):
        stored["data"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (iter([]), "no table"),
        (iter([secrets(), 3]), "batch 1 is a int"),
        (iter([secrets(), secrets()[["text"]]]), "batch 1 does not fit"),
    ],
)
def test_a_stream_that_is_none_is_refused(data: Any, problem: str) -> None:
    with Status(results="schema") as status, pytest.raises(UsageError, match=problem):
        status.store_result("x", data)


# The settings


@pytest.mark.parametrize(
    ("results", "profile", "problem"),
    [
        ("schem", "full", "results is 'schem'"),
        ("full", {"Loader": "nmes"}, "profile of Loader is 'nmes'"),
        ({3: "full"}, "full", "names the module 3"),
        ("full", "hashed", "stored with the names"),
        ({"Loader": "schema"}, "hashed", "modules that are not named"),
        (SCHEMA | {"Loader": "full"}, "hashed", "the module Loader"),
    ],
)
def test_wrong_words_are_refused(results: Any, profile: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Status(results=results, profile=profile)


def test_a_resumed_run_goes_on_by_what_it_began_with_unless_told_otherwise() -> None:
    status = Status(results={"Loader": "schema"}, profile={OTHERS: "digest", "Loader": "names"})
    status.fail("so far")
    assert status.folder is not None
    resumed = Status.resume(status.folder, profile={"Clean": "full"})
    resumed.fail("again")
    told = Privacy.of_header(load_run(status.folder)._header())  # type: ignore[arg-type]
    assert resumed._recorder.privacy == Privacy.of(
        {"Loader": "schema"}, {OTHERS: "digest", "Loader": "names", "Clean": "full"}
    )
    assert (told.told("Loader"), told.told("x"), told.stores("Loader")) == ("names", "digest", False)


def test_a_joined_run_withholds_what_the_run_withholds() -> None:
    with Status(results="schema", profile="names") as status:
        assert status.folder is not None
        with Status.join(status.folder) as worker:
            worker.store_result("x", secrets())
    assert found_in(status.folder) == set()


def test_the_executor_takes_the_words_as_arguments_and_knows_its_modules() -> None:
    config = {"Run": {"profile": "digest"}, "Loader": {"a": {"method": load}}}
    executor = Executor(config, results={"Loader": "schema"}, profile={"Loader": "names"})
    executor.run()
    assert found_in(executor.status.folder) == set()
    with pytest.raises(UsageError, match="did you mean 'Loader'"):
        Executor(config, profile={"Loadr": "names"})


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("results: {Loadr: schema}", "line 1, column 24: Run → results → Loadr: there is no module 'Loadr'; did you "),
        ("profile: {Loader: nmes}", "line 1, column 25: Run → profile → Loader: expected 'full' or 'digest' or"),
        ("profile: {'*': hashed}", "line 1, column 16: Run → profile: profile is 'hashed' for the modules"),
        ("results: 3", "line 1, column 16: Run → results: expected str, got int"),
    ],
)
def test_a_wrong_word_in_a_configuration_is_told_by_its_place(run: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Executor(f"Run: {{{run}}}\nLoader: {{a: {{method: 'builtins:dict'}}}}")
    (problem,) = caught.value.problems
    assert problem.startswith(told)
