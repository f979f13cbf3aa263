"""Fresh Python processes: each starts with the same memory, the same garbage collector and warm bytecode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def environment(cache: Path) -> dict[str, str]:
    """The environment of a child, which finds bytecode as an installed package has it: in a cache of our own.

    PYTHONDONTWRITEBYTECODE, which some machines set, would have every child compile what it imports.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(cache)}


def seconds(arguments: list[str], cache: Path) -> float:
    """How long `python` takes with these arguments, from its start to its end, its output piped."""
    command, variables = [sys.executable, *arguments], environment(cache)
    start = time.perf_counter()
    subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    return time.perf_counter() - start


def answer(module: str, arguments: list[str], cache: Path) -> Any:
    """What a module of this folder, run as a script with these arguments, prints as JSON."""
    script = str(Path(__file__).with_name(f"{module}.py"))
    found = subprocess.run(
        [sys.executable, script, *arguments], env=environment(cache), check=True, stdout=subprocess.PIPE
    )
    return json.loads(found.stdout)
