"""`runfolio run`: a pipeline from a file, run and recorded."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path
from shlex import quote
from traceback import format_exception
from typing import Any

import click
from msgspec import Struct

from runfolio.arguments import users_part
from runfolio.catalog import row_of
from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.progress import Screen, done_of, shown
from runfolio.cli.show import document
from runfolio.cli.terminal import STATE_STYLES, Column, Page, Styled, complain, echo_json, give_up, page
from runfolio.errors import DamageWarning, RunfolioError, StepsError, WriteError, WriteWarning
from runfolio.layout import is_config_name, root_of
from runfolio.pipeline.executor import Executor
from runfolio.pipeline.plan import PlannedStep
from runfolio.pipeline.provenance import Provenance
from runfolio.run import Run, load_run
from runfolio.spelling import counted, duration, size

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
    _check(file, name, tags, resume, anyway=anyway)
    wanted = _Wanted(file=file, name=name, tags=tags, root=root, resume=resume, anyway=anyway)
    if dry_run:
        with _aside() if as_json else nullcontext():
            executor = wanted.executor()
        _print_plan(executor, as_json=as_json)
        return
    screen = Screen()
    with _aside() if as_json else screen:
        executor = wanted.executor()
        failed = _run(executor, screen, as_json=as_json)
    code = 0 if failed is None else 130 if isinstance(failed, KeyboardInterrupt) else 1
    try:
        _tell(executor, wanted, as_json=as_json)
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


class _Wanted(Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    file: str | None
    name: str | None
    tags: tuple[str, ...]
    root: str | None
    resume: str | None
    anyway: bool

    def executor(self) -> Executor:
        """The pipeline, checked and planned; modules beside its configuration can be imported."""
        config = None if self.file is None else Path(self.file)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DamageWarning)
            # As Python itself does for a script: what stands beside the file can be imported.
            sys.path.insert(0, str(self._beside() if config is None else config.absolute().parent))
            if self.resume is None:
                found = Executor(config, name=self.name, tags=self.tags, root=self.root)
            else:
                found = Executor.resume(self.resume, config, root=self.root, anyway=self.anyway)
                for difference in found._differences:
                    complain(f"goes on although {difference}")
        for warning in {str(one.message): one for one in caught}.values():
            if issubclass(warning.category, DamageWarning):
                complain(str(warning.message))
            else:
                warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
        return found

    def _beside(self) -> Path:
        """The folder of the configuration that a run was begun with."""
        assert self.resume is not None
        return Provenance.of_run(load_run(self.resume, root=self.root)).base


def _check(file: str | None, name: str | None, tags: tuple[str, ...], resume: str | None, *, anyway: bool) -> None:
    context = click.get_current_context()
    if file is None and resume is None:
        raise click.UsageError("Missing argument 'FILE', or --resume RUN", context)
    if anyway and resume is None:
        raise click.UsageError("--anyway goes with --resume", context)
    if resume is not None and (name is not None or tags):
        raise click.UsageError("a run that is resumed has its name and tags", context)


def _run(executor: Executor, screen: Screen, *, as_json: bool) -> BaseException | None:
    """Run a pipeline; returns what made it fail, where that is recorded in its folder."""
    process = os.getpid()
    try:
        with _losses_told(), nullcontext() if as_json else shown(executor, screen):
            executor.run()
    except BaseException as error:  # a step may call sys.exit
        if os.getpid() != process or not _is_begun(executor):
            raise
        return error
    return None


def _is_begun(executor: Executor) -> bool:
    """Whether this run was begun, or taken up again."""
    return executor.status.folder is not None and not isinstance(executor.status, Run)


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
def _aside() -> Iterator[None]:
    """Let what modules print go to standard error, for standard output is for one document; subprocesses' too."""
    with redirect_stdout(sys.stderr), ExitStack() as stack:
        with suppress(OSError, ValueError, AttributeError):
            if sys.__stdout__.fileno() == 1 and sys.__stderr__.fileno() == 2:  # type: ignore[union-attr]  # noqa: PLR2004
                kept = os.dup(1)
                stack.callback(os.close, kept)
                stack.callback(os.dup2, kept, 1)
                os.dup2(2, 1)
        yield


def _tell(executor: Executor, wanted: _Wanted, *, as_json: bool) -> None:
    """What there is at the end, as the folder has it."""
    folder = executor.status.folder
    if folder is None:
        raise WriteError("nothing of this run could be recorded", remedy="see to what is told above")
    folder = _near(folder)
    run = Run(folder)
    if as_json:
        echo_json(document(run))
    else:
        _print_end(page(), run, executor, wanted)


# The plan


def _print_plan(executor: Executor, *, as_json: bool) -> None:
    plan = executor.plan
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
    done = done_of(executor, executor.status) if isinstance(executor.status, Run) else 0
    already = f"; {done:,} done already" if done else ""
    on.line(f"{counted(len(plan), 'step')}, {_ends(plan):,} at the end of a branch{already}; nothing was run")


def _ends(plan: list[PlannedStep]) -> int:
    return len(plan) - len({step.parent for step in plan} - {None})


# The end


def _print_end(on: Page, run: Run, executor: Executor, wanted: _Wanted) -> None:
    row = row_of(run)
    assert run.folder is not None
    state = Styled(run.state, STATE_STYLES[run.state])
    steps = f"{done_of(executor, run):,} of {counted(len(executor.plan), 'step')}"
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
    if run.state != "completed":
        file = "" if wanted.file is None else f" {quote(wanted.file)}"
        on.line(Styled(f"runfolio run{file} --resume {name}{where}", "bold"), "  goes on from here")


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
