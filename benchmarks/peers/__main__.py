"""runfolio beside other trackers, on four jobs: `python benchmarks/peers [--only JOB] [--peer NAME]...`.

Each tracker runs in an environment of its own, which this makes. What is found goes into a JSON file, part by part;
`--page` makes the tables and plots of docs/benchmarks.md from it and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from beside import environments, findings, jobs, page, trackers
from beside.side import Side

JOBS = ("log", "store", "large", "load", "follow")


def main() -> None:
    """Measure what is asked for, keep it, and print its table."""
    options = _options()
    if options.page:
        page.write(findings.read(options.json))
        return
    sizes = jobs.QUICK if options.quick else jobs.Sizes(cap=options.cap)
    found = findings.begun(options.json, sizes, quick=options.quick)
    names = options.peer or [name for name in trackers.NAMES if name != "runfolio"]
    with tempfile.TemporaryDirectory(prefix="runfolio-peers-", ignore_cleanup_errors=True) as place:
        sides = _sides(["runfolio", *names], Path(place), options, found)
        for job in options.only or JOBS:
            for name in names:
                _measure(job, sides, name, sizes, found)
                findings.save(found, options.json)
    sys.stdout.write(page.tables(found))


def _sides(names: list[str], place: Path, options: argparse.Namespace, found: findings.Findings) -> dict[str, Side]:
    sides = {}
    for name in names:
        at = environments.here() if options.here else environments.made(name, options.environments)
        sides[name] = Side(name, at, place)
        module = trackers.tracker(name)
        versions = {} if at.problem else at.versions(module.SHOWN, place)
        found["peers"][name] = {"title": module.TITLE, "versions": versions, "problem": at.problem}
    return sides


def _measure(job: str, sides: dict[str, Side], name: str, sizes: jobs.Sizes, found: findings.Findings) -> None:
    begin, side = time.monotonic(), sides[name]
    result = jobs.beside(job, side, sides["runfolio"], sizes)
    found["jobs"].setdefault(job, {})[name] = {**result, "load_average": round(os.getloadavg()[0], 1)}
    told = result.get("failed") or result.get("cannot") or result["ratios"]
    print(f"{job}, {side.module.TITLE}: {time.monotonic() - begin:.0f} s: {told}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/peers", description="Measure runfolio beside other trackers."
    )
    others = [name for name in trackers.NAMES if name != "runfolio"]
    parser.add_argument("--only", action="append", choices=JOBS, help="this job alone; may be repeated")
    parser.add_argument("--peer", action="append", choices=others, help="this tracker alone; may be repeated")
    parser.add_argument(
        "--json", type=Path, default=findings.RESULTS, metavar="FILE", help="where the numbers are kept"
    )
    parser.add_argument(
        "--environments", type=Path, default=Path(".venv-peers"), metavar="FOLDER", help="where they are"
    )
    parser.add_argument("--here", action="store_true", help="use this Python for all, and make no environment")
    parser.add_argument("--cap", type=float, default=10.0, metavar="SECONDS", help="what logging may take in one turn")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, to see that it runs; the numbers mean nothing"
    )
    parser.add_argument("--page", action="store_true", help="only make docs/benchmarks.md from the JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
