"""`runfolio petsard`: a pipeline of PETsARD, run as it is and recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runfolio.arguments import message_of
from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.running import carry_out
from runfolio.errors import ConfigError, UsageError
from runfolio.integrations.petsard import plan_of, track
from runfolio.pipeline.source import read

if TYPE_CHECKING:
    from runfolio.pipeline.plan import PlannedStep
    from runfolio.status import Status
    from runfolio.view import RunView


@click.command("petsard", epilog=EXIT_CODES)
@click.argument("file")
@click.option("--name", metavar="TEXT", help="The run's name; by default that of the file.")
@click.option("--tag", "tags", metavar="TEXT", multiple=True, help="A tag of the run; can be given several times.")
@root_option
@json_option
def command(*, file: str, name: str | None, tags: tuple[str, ...], root: str | None, as_json: bool) -> None:
    """Run a pipeline that PETsARD's Executor runs, from its unchanged YAML file, and record it.

    Paths in FILE start from the current folder, as PETsARD has it; modules that it names are looked up in the file's
    folder first. Each step is a line once it ended; at the end there is the run's folder and what is in it. It takes
    the package petsard: pip install 'runfolio[petsard]'.

    \b
    Examples:
      runfolio petsard examples/petsard.yaml
      runfolio petsard examples/petsard.yaml --name nightly --tag server2
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    carry_out(lambda: _Pipeline(Path(file), name, tags, root), again=None, as_json=as_json)


class _Pipeline:
    """An Executor of PETsARD with the Status that tracks it."""

    plan: list[PlannedStep]
    status: RunView

    def __init__(self, file: Path, name: str | None, tags: tuple[str, ...], root: str | None) -> None:
        read(file).problems.raise_any()
        executor_of = _petsard()
        # As Python itself does for a script: what stands beside the file can be imported.
        sys.path.insert(0, str(file.absolute().parent))
        try:
            self._executor = executor_of(str(file))
        except Exception as error:
            problem = f"{type(error).__name__}: {message_of(error)}"
            raise ConfigError(
                f"PETsARD refuses {file}, and nothing was run:", problems=(problem,), file=str(file)
            ) from error
        self.plan = plan_of(self._executor)
        self._tracked: Status = track(
            self._executor, name=name or file.stem, root=root, tags=tags, on_write_error="raise", config=file
        )
        self.status = self._tracked

    def run(self) -> None:
        """Run the Executor, and record it."""
        with self._tracked:
            self._executor.run()


def _petsard() -> Any:
    """PETsARD's Executor. Raises UsageError if it can't be imported."""
    try:
        from petsard import Executor  # noqa: PLC0415  (it takes seconds, and is no dependency)
    except ImportError as error:
        missing = getattr(error, "name", None) == "petsard"
        what = "PETsARD is not installed" if missing else f"PETsARD can't be imported: {error}"
        raise UsageError(what, remedy="pip install 'runfolio[petsard]'") from error
    return Executor
