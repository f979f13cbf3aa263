"""An environment of its own for each tracker: made once, kept in a folder, and asked what it has.

runfolio's has what it depends on; its own code is that of this repository, as it is now.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from beside import trackers

REPOSITORY = Path(__file__).parents[3]
STANDARD = ("logs", "sqlite", "pickled", "pickled_last")
"""Trackers of the standard library: they use runfolio's environment, which has the same pandas."""

QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
    "WANDB__DISABLE_UPDATE_CHECK": "true",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "AIM_UI_TELEMETRY_ENABLED": "0",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""What keeps trackers from telling anybody: they report and look up nothing."""


@dataclass(frozen=True)
class Environment:
    """A tracker's Python, or why there is none."""

    python: Path
    problem: str = ""
    paths: tuple[Path, ...] = ()
    """Where modules are that are not installed in it."""

    def variables(self, home: Path) -> dict[str, str]:
        """What a process of it is given: nothing of the user's own settings, a home that is removed afterwards."""
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ", "OPENBLAS_CORETYPE") if name in os.environ}
        return {
            **kept,
            **QUIET,
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(home),
            "PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parents[1], *self.paths))),
        }

    def versions(self, packages: tuple[str, ...], home: Path) -> dict[str, str]:
        """The versions of these packages."""
        code = "import json, sys; from importlib.metadata import version; "
        code += "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
        command = [str(self.python), "-c", code, *packages]
        return json.loads(subprocess.run(command, env=self.variables(home), check=True, stdout=subprocess.PIPE).stdout)


def here() -> Environment:
    """The Python that runs this, which has runfolio."""
    return Environment(Path(sys.executable), paths=(REPOSITORY / "src",))


def made(name: str, cache: Path) -> Environment:
    """The environment of a tracker in a folder of environments; made if it is not there yet."""
    module, ours = trackers.tracker(name), name == "runfolio" or name in STANDARD
    folder = cache.resolve() / ("runfolio" if ours else module.REQUIRES[0])
    stamp, python = folder / "installed.txt", folder / "bin" / "python"
    environment = Environment(python, paths=(REPOSITORY / "src",) if ours else ())
    wanted = "\n".join(module.REQUIRES) + "\n"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return environment
    if not python.exists():
        venv.create(folder, with_pip=True, symlinks=True)
    command = [str(python), "-m", "pip", "install", "-q", "--no-cache-dir", "--disable-pip-version-check"]
    required = [*module.REQUIRES, *([str(REPOSITORY)] if ours else [])]
    done = subprocess.run([*command, *required], check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        return Environment(python, reason(done.stderr))
    stamp.write_text(wanted, encoding="utf-8")
    return environment


def reason(told: str) -> str:
    """The line of pip that says why."""
    errors = [line for line in told.splitlines() if line.startswith("ERROR")]
    return (errors or ["it can't be installed"])[-1].removeprefix("ERROR: ")[:200]
