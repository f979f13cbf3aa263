"""A pipeline that a command runs: what is printed while it does, at its end, and of what went wrong."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path
from shlex import quote
from traceback import format_exception
from typing import Any

import click

from runfolio.arguments import users_part
from runfolio.catalog import row_of
from runfolio.cli.progress import Pipeline, Screen, done_of, shown
from runfolio.cli.show import document
from runfolio.cli.terminal import STATE_STYLES, Column, Page, Styled, complain, echo_json, give_up, page
from runfolio.errors import RunfolioError, StepsError, WriteError, WriteWarning
from runfolio.layout import is_config_name, root_of
from runfolio.run import Run
from runfolio.spelling import counted, duration, size

_FILE_COLUMNS = (
    Column(title="file", least=24),
    Column(title="size", right=True),
    Column(title="holds", rank=1, least=16),
)
_HOLDS = {
    "run.json": "totals and state",
    "config.yaml": "the configuration",
    "snapshots": "snapshots",
    "changes": "schema changes",
    "timings": "timings",
    "results": "stored results",
    "schemas": "schemas",
    "events": "events",
    "SHA256SUMS": "digests of all files",
}


def carry_out(make: Callable[[], Pipeline], *, again: str | None, as_json: bool) -> None:
    """Make a pipeline, run it, and tell what became of it; the command ends with the exit code for that.

    `again` is the command that goes on with a run that did not complete, where there is one; the run's name is added.
    """
    screen = Screen()
    with aside() if as_json else screen:
        pipeline = make()
        failed = _run(pipeline, screen, as_json=as_json)
    code = 0 if failed is None else 130 if isinstance(failed, KeyboardInterrupt) else 1
    try:
        _tell(pipeline, again, as_json=as_json)
        if sys.stdout is not None:
            sys.stdout.flush()
        if screen.refused is not None:
            raise screen.refused
    except (OSError, RunfolioError):
        if failed is None:
            raise
        give_up(sys.stdout)  # why the run failed is what counts
    if failed is not None:
        _complain(failed)
        click.get_current_context().exit(code)


def _run(pipeline: Pipeline, screen: Screen, *, as_json: bool) -> BaseException | None:
    """Run a pipeline; returns what made it fail, where that is recorded in its folder."""
    process = os.getpid()
    try:
        with _losses_told(), nullcontext() if as_json else shown(pipeline, screen):
            pipeline.run()
    except BaseException as error:  # a step may call sys.exit
        if os.getpid() != process or not _is_begun(pipeline):
            raise
        return error
    return None


def _is_begun(pipeline: Pipeline) -> bool:
    """Whether this run was begun, or taken up again."""
    return pipeline.status.folder is not None and not isinstance(pipeline.status, Run)


@contextmanager
def _losses_told() -> Iterator[None]:
    """Tell what could not be recorded in lines of ours, and leave other warnings to Python."""
    others = warnings.showwarning

    def tell(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, WriteWarning):
            complain(str(message))
        else:
            others(message, category, *place)

    with warnings.catch_warnings():
        warnings.simplefilter("always", WriteWarning)
        warnings.showwarning = tell  # type: ignore[assignment]  # it is called so
        yield


@contextmanager
def aside() -> Iterator[None]:
    """Let what modules print go to standard error, for standard output is for one document; subprocesses' too."""
    with redirect_stdout(sys.stderr), ExitStack() as stack:
        with suppress(OSError, ValueError, AttributeError):
            if sys.__stdout__.fileno() == 1 and sys.__stderr__.fileno() == 2:  # type: ignore[union-attr]  # noqa: PLR2004
                kept = os.dup(1)
                stack.callback(os.close, kept)
                stack.callback(os.dup2, kept, 1)
                os.dup2(2, 1)
        yield


def _tell(pipeline: Pipeline, again: str | None, *, as_json: bool) -> None:
    """What there is at the end, as the folder has it."""
    folder = pipeline.status.folder
    if folder is None:
        raise WriteError("nothing of this run could be recorded", remedy="see to what is told above")
    folder = _near(folder)
    run = Run(folder)
    if as_json:
        echo_json(document(run))
    else:
        _print_end(page(), run, pipeline, again)


# The end


def _print_end(on: Page, run: Run, pipeline: Pipeline, again: str | None) -> None:
    row = row_of(run)
    assert run.folder is not None
    state = Styled(run.state, STATE_STYLES[run.state])
    steps = f"{done_of(pipeline, run):,} of {counted(len(pipeline.plan), 'step')}"
    counts = f"{steps}, {counted(row.changes, 'schema change')}, {counted(row.results, 'result')}"
    on.line()
    on.line(state, f" in {duration(row.duration_seconds)}: {counts}")
    on.line()
    on.line(Styled(f"{run.folder}/", "bold"))
    on.table(_FILE_COLUMNS, _files(run.folder))
    on.line()
    where = "" if _is_default(run.folder.parent) else f" --root {quote(str(run.folder.parent))}"
    name = quote(run.folder.name)
    on.line(Styled(f"runfolio show {name}{where}", "bold"), "  tells more")
    if run.state != "completed" and again is not None:
        on.line(Styled(f"{again} {name}{where}", "bold"), "  goes on from here")


def _is_default(root: Path) -> bool:
    """Whether runs are looked up there if nothing else is said."""
    return root.absolute() == root_of(None).absolute()


def _near(folder: Path) -> Path:
    """The folder as seen from here, if it lies below."""
    with suppress(ValueError):
        return folder.relative_to(Path.cwd())
    return folder


def _files(folder: Path) -> list[tuple[str, str, str]]:
    """The files of a run folder, and those of its results together."""
    rows = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            sizes = [below.lstat().st_size for below in path.iterdir()]
            rows.append((f"{path.name}/", size(sum(sizes)), counted(len(sizes), "file") + " of data"))
        elif not path.name.endswith(".lock"):
            known = "config.yaml" if is_config_name(path.name) else path.name
            holds = _HOLDS.get(known) or _HOLDS.get(known.partition(".")[0], "")
            rows.append((path.name, size(path.lstat().st_size), holds))
    return rows


# What went wrong


def _complain(error: BaseException) -> None:
    """What made the run fail: an error of ours in a line, another with the part of its traceback that is the user's."""
    notes = getattr(error, "__notes__", [])
    if isinstance(error, KeyboardInterrupt):
        complain("stopped by Ctrl-C", *notes)
    elif isinstance(error, StepsError):
        complain(error.what.partition(":")[0] + f"; {error.remedy}")
        for failed in error.errors:
            _complain(failed)
    elif isinstance(error, RunfolioError):
        problems = [problem for problem in getattr(error, "problems", ()) if problem not in str(error)]
        complain(str(error), *(f"  {problem}" for problem in problems), *notes)
    else:
        trace = users_part(error.__traceback__)
        lines = "".join(format_exception(type(error), error, trace)).rstrip().split("\n")
        complain("a step failed" if trace is not None else lines[0], *lines[trace is None :])
