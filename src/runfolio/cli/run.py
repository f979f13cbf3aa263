"""`runfolio run`: a pipeline from a file, run and recorded."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from traceback import format_exception
from types import TracebackType

import click

from runfolio.arguments import message_of
from runfolio.catalog import row_of
from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.progress import shown
from runfolio.cli.show import document
from runfolio.cli.terminal import STATE_STYLES, Column, Page, Styled, complain, duration, echo_json, number, page, size
from runfolio.errors import RunfolioError
from runfolio.pipeline.executor import Executor
from runfolio.pipeline.plan import PlannedStep
from runfolio.run import Run

_PLAN_COLUMNS = (
    Column(title="step", right=True),
    Column(title="after", right=True),
    Column(title="module", least=16),
    Column(title="experiment", least=16),
    Column(title="method", least=16, rank=1),
)
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


@click.command("run", epilog=EXIT_CODES)
@click.argument("file", required=False)
@click.option("--name", metavar="TEXT", help="The run's name; by default that of the file.")
@click.option("--tag", "tags", metavar="TEXT", multiple=True, help="A tag of the run; can be given several times.")
@root_option
@click.option("--dry-run", is_flag=True, help="Check the configuration and print the plan; run nothing.")
@click.option("--resume", metavar="RUN", help="Go on with a run that failed or was interrupted.")
@click.option("--anyway", is_flag=True, help="With --resume: even if configuration, inputs or versions differ.")
@json_option
def command(
    *,
    file: str | None,
    name: str | None,
    tags: tuple[str, ...],
    root: str | None,
    dry_run: bool,
    resume: str | None,
    anyway: bool,
    as_json: bool,
) -> None:
    """Run a pipeline that is declared in a YAML file, and record it.

    FILE is checked as a whole before anything runs. Modules that it names are looked up in its folder first. Each step
    is a line once it ended; at the end there is the run's folder and what is in it. A run that failed or was stopped
    can be resumed: what was finished is not run again.

    \b
    Examples:
      runfolio run examples/penguins.yaml
      runfolio run examples/penguins.yaml --dry-run
      runfolio run examples/penguins.yaml --name nightly --tag server2
      runfolio run --resume latest
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    executor = _executor(file, name, tags, root, resume, anyway=anyway)
    if dry_run:
        _print_plan(executor.plan, as_json=as_json)
        return
    failed: BaseException | None = None
    try:
        with nullcontext() if as_json else shown(lambda: executor.status):
            executor.run()
    except (Exception, KeyboardInterrupt) as error:
        if executor.status.folder is None:
            raise
        failed = error
    try:
        _tell(executor, root, as_json=as_json)
    finally:
        if failed is not None:
            _complain(failed)
    if failed is not None:
        click.get_current_context().exit(130 if isinstance(failed, KeyboardInterrupt) else 1)


def _executor(
    file: str | None, name: str | None, tags: tuple[str, ...], root: str | None, resume: str | None, *, anyway: bool
) -> Executor:
    if file is None and resume is None:
        raise click.UsageError("Missing argument 'FILE', or --resume RUN", click.get_current_context())
    if anyway and resume is None:
        raise click.UsageError("--anyway goes with --resume", click.get_current_context())
    if resume is not None and (name or tags):
        raise click.UsageError("a run that is resumed has its name and tags", click.get_current_context())
    # As Python itself does for a script: what stands beside the file can be imported.
    sys.path.insert(0, str(Path.cwd() if file is None else Path(file).absolute().parent))
    config = None if file is None else Path(file)
    if resume is None:
        return Executor(config, name=name, tags=tags, root=root)
    return Executor.resume(resume, config, root=root, anyway=anyway)


def _tell(executor: Executor, root: str | None, *, as_json: bool) -> None:
    """What there is at the end, as the folder has it."""
    folder = executor.status.folder
    assert folder is not None
    run = Run(folder)
    if as_json:
        echo_json(document(run))
    else:
        _print_end(page(), run, root)


# The plan


def _print_plan(plan: list[PlannedStep], *, as_json: bool) -> None:
    if as_json:
        echo_json(
            [
                {
                    "number": step.number,
                    "parent": step.parent,
                    "key": step.key,
                    "module_name": step.module_name,
                    "experiment_name": step.experiment_name,
                    "methods": step.methods,
                }
                for step in plan
            ]
        )
        return
    rows = [
        (
            str(step.number + 1),
            "-" if step.parent is None else str(step.parent + 1),
            step.module_name,
            step.experiment_name,
            ", ".join(step.methods),
        )
        for step in plan
    ]
    on = page()
    on.table(_PLAN_COLUMNS, rows)
    on.line()
    on.line(f"{len(plan):,} steps, {_ends(plan):,} at the end of a branch; nothing was run")


def _ends(plan: list[PlannedStep]) -> int:
    return len(plan) - len({step.parent for step in plan} - {None})


# The end


def _print_end(on: Page, run: Run, root: str | None) -> None:
    row = row_of(run)
    assert run.folder is not None
    on.line()
    state = Styled(run.state, STATE_STYLES[run.state])
    counts = f"{number(row.steps)} steps, {number(row.changes)} schema changes, {number(row.results)} results"
    on.line(state, f" in {duration(row.duration_seconds)}: {counts}")
    on.line()
    on.line(Styled(f"{run.folder}/", "bold"))
    on.table(_FILE_COLUMNS, _files(run.folder))
    on.line()
    where = "" if root is None else f" --root {root}"
    on.line(Styled(f"runfolio show {row.run_id}{where}", "bold"), "  tells more")
    if run.state != "completed":
        on.line(Styled(f"runfolio run --resume {row.run_id}{where}", "bold"), "  goes on from here")


def _files(folder: Path) -> list[tuple[str, str, str]]:
    """The files of a run folder, and those of its results together."""
    rows = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            sizes = [below.lstat().st_size for below in path.iterdir()]
            rows.append((f"{path.name}/", size(sum(sizes)), f"{len(sizes):,} files of data"))
        elif not path.name.endswith(".lock"):
            holds = _HOLDS.get(path.name) or _HOLDS.get(path.name.partition(".")[0], "")
            rows.append((path.name, size(path.lstat().st_size), holds))
    return rows


def _complain(error: BaseException) -> None:
    """What made the run fail: an error of ours in a line, another with the part of its traceback that is the user's."""
    notes = getattr(error, "__notes__", [])
    trace = _own_part(error.__traceback__)
    if isinstance(error, RunfolioError | KeyboardInterrupt) or trace is None:
        what = str(error) if isinstance(error, RunfolioError) else f"{type(error).__name__}: {message_of(error)}"
        complain(what, *notes)
        return
    lines = "".join(format_exception(type(error), error, trace)).rstrip().split("\n")
    complain("the pipeline failed", *lines)


def _own_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from where it leaves this package; None where it does not."""
    home = str(Path(__file__).parents[1]) + os.sep
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(home):
        trace = trace.tb_next
    return trace
