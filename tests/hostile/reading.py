"""Everything that reads a run, and what each may do with a hostile one: answer, or raise an error of ours."""

from __future__ import annotations

import json
import os
import re
import unicodedata
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from runfolio import Status, list_runs, load_run
from runfolio.checks import check
from runfolio.cli.commands import commands
from runfolio.comparison import compare
from runfolio.errors import RunfolioError
from runfolio.export import FORMATS, export
from runfolio.run import Run

STYLING = re.compile(r"\x1b\[[0-9;]*m")
"""Our own: colours, and nothing that moves, writes titles or asks for anything."""

COMMANDS: dict[str, list[str]] = {
    "ls": ["ls"],
    "show": ["show", "RUN"],
    "history": ["history", "RUN", "COLUMN"],
    "check": ["check", "RUN", "--max-row-loss", "50%"],
    "diff": ["diff", "RUN", "RUN"],
    "export": ["export", "RUN", "--to", "OUT", "--force", "--format", "csv"],
    "verify": ["verify", "RUN"],
    "resume": ["run", "--resume", "RUN"],
}


def on_pipe(folder: Path, name: str, *more: str, column: str = "age") -> str:
    """What a command prints into a pipe; it ends by itself and breaks nothing."""
    found = CliRunner().invoke(commands, [*_arguments(folder, name, column), *more])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code in (0, 1, 2), found.exit_code
    assert_no_traceback(found.stderr)
    if "--json" in more and found.exit_code == 0:
        json.loads(found.stdout, parse_constant=_no_json)
    return found.stdout + found.stderr


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def on_terminal(folder: Path, name: str, column: str = "age") -> str:
    """What a command prints to a terminal, output and errors."""
    master, slave = os.openpty()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(_drain, master)
        with os.fdopen(slave, "w", encoding="utf-8") as stream, redirect_stdout(stream), redirect_stderr(stream):
            with suppress(SystemExit):
                commands.main(_arguments(folder, name, column))
        return reading.result(60)


def _drain(master: int) -> str:
    found = b""
    with suppress(OSError):  # the other end was closed
        while block := os.read(master, 65536):
            found += block
    os.close(master)
    return found.decode().replace("\r\n", "\n")


def _arguments(folder: Path, name: str, column: str) -> list[str]:
    real = {"RUN": str(folder), "OUT": str(folder.parent.parent / "out"), "COLUMN": column}
    root = ["--root", str(folder.parent)] if name == "ls" else []
    return [real.get(word, word) for word in COMMANDS[name]] + root


def assert_neutral(text: str) -> None:
    """Nothing is in a text but what prints, and line ends."""
    acting = {letter for letter in text if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}
    assert not acting, (acting, text[:2000])


def assert_no_traceback(errors: str) -> None:
    """No line begins as Python's tracebacks do."""
    assert "Traceback (most recent call last)" not in errors.splitlines(), errors


def survives(folder: Path, to: Path) -> list[str]:
    """Ask everything of a folder by commands and by the library; returns the errors, each of ours and neutral."""
    for name in COMMANDS:
        assert_neutral(on_pipe(folder, name))
        assert_neutral(on_pipe(folder, name, "--json"))
    errors = answers(folder, to)
    for error in errors:
        assert_neutral(error)
    return errors


# The library


def answers(folder: Path, to: Path) -> list[str]:
    """Ask everything of a folder; returns the texts of the errors, all of them ours."""
    found: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        list_runs(folder.parent)
        with_run: list[Run] = []
        _ask(found, lambda: with_run.append(load_run(folder)))
        for run in with_run:
            for ask in questions(run, to):
                _ask(found, ask)
        _ask(found, lambda: _closed(Status.join(folder)))
        _ask(found, lambda: _closed(Status.resume(folder)))
    return found


def _closed(status: Status) -> None:
    with status:
        status.log("here")
        status.snapshots, status.get_result(), status.get_status_summary()


def _ask(found: list[str], question: Callable[[], Any]) -> None:
    try:
        question()
    except RunfolioError as error:
        found.append(str(error))


def questions(run: Run, to: Path) -> list[Callable[[], Any]]:
    """Every getter, the folds over the records, and the export of all results."""
    names = [name for name in dir(Run) if isinstance(getattr(Run, name), property)]
    return [
        *(lambda name=name: getattr(run, name) for name in names),
        lambda: repr(run),
        run.is_completed,
        run.get_status_summary,
        lambda: [snapshot and run.at(snapshot.snapshot_id).get_result() for snapshot in run.snapshots],
        lambda: [run.get_metadata(name) for name in run.sequence],
        lambda: [run.get_metadata_evolution(name) for name in run.sequence],
        lambda: run.get_data_by_module(run.sequence),
        lambda: [run.get_full_expt(name) for name in (None, *run.get_full_expt())],
        lambda: run.get_timing(nested=True),
        lambda: [run.column_history(change.target) for change in run.changes[:8]],
        *(lambda key=key: run.results[key]["data"] for key in run.results),
        *(lambda key=key: run.results[key]["schema"] for key in run.results),
        lambda: check(run, max_row_loss=0.1, max_null_increase=0.1, no_drop=["age"]),
        lambda: compare(run, run),
        *(lambda form=form: export(run, to / form, format=form, force=True) for form in FORMATS),
    ]
