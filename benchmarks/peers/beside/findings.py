"""What was found, as one JSON file: what it depends on, the trackers' versions, and each job by tracker."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from beside.jobs import Sizes

Findings = dict[str, Any]
RESULTS = Path(__file__).parents[2] / "results" / "peers-2026-11-24.json"


def begun(path: Path, sizes: Sizes, *, quick: bool) -> Findings:
    """What a file has already, if it is of the same sizes, else nothing yet. No host name and no path is in it."""
    found: Findings = {
        "environment": {
            "date": f"{date.today()}",
            "Python": platform.python_version(),
            "on": f"{platform.system()} {platform.machine()}",
            "CPUs": os.cpu_count(),
        },
        "quick": quick,
        "sizes": asdict(sizes),
        "peers": {},
        "jobs": {},
    }
    if path.exists() and (old := read(path))["sizes"] == found["sizes"]:
        found |= {"peers": old["peers"], "jobs": old["jobs"]}
    return found


def read(path: Path) -> Findings:
    """What a file has."""
    found: Findings = json.loads(path.read_text(encoding="utf-8"))
    return found


def save(found: Findings, path: Path) -> None:
    """Put it in the file's place."""
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def ours_of(job: str, found: Findings) -> dict[str, Any]:
    """Our own figures: medians over its turns beside all trackers that had as much to do as was asked for."""
    sides = [one["runfolio"] for one in found["jobs"].get(job, {}).values() if "runfolio" in one]
    most = max((side.get("runs", 0) for side in sides), default=0)
    sides = [side for side in sides if side.get("runs", 0) == most]
    return {name: _middle([side[name] for side in sides if name in side]) for name in (sides[0] if sides else {})}


def _middle(values: list[Any]) -> Any:
    if isinstance(values[0], bool | str):
        return values[0]
    return statistics.median_low(values)
