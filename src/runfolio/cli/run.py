"""`runfolio run`: a pipeline from a file, run and recorded."""

from __future__ import annotations

import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from shlex import quote

import click
from msgspec import Struct

from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.progress import done_of
from runfolio.cli.running import aside, carry_out
from runfolio.cli.terminal import Column, complain, echo_json, page
from runfolio.errors import DamageWarning
from runfolio.pipeline.executor import Executor
from runfolio.pipeline.plan import PlannedStep
from runfolio.pipeline.provenance import Provenance
from runfolio.run import Run, load_run
from runfolio.spelling import counted

_PLAN_COLUMNS = (
    Column(title="step", right=True),
    Column(title="after", right=True),
    Column(title="module", least=16),
    Column(title="experiment", least=16),
    Column(title="method", least=16, rank=1),
)


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
        with aside() if as_json else nullcontext():
            executor = wanted.executor()
        _print_plan(executor, as_json=as_json)
        return
    again = "runfolio run" if file is None else f"runfolio run {quote(file)}"
    carry_out(wanted.executor, again=f"{again} --resume", as_json=as_json)


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
