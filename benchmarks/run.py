"""The benchmark suite: prints what runfolio is measured by, each beside its limit in the same run.

python benchmarks/run.py [--only NAME]... [--json FILE] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import follow
import functions
import imports
import listing
import load
import memory
import pipeline
import record
import result
import stream
from measure import FULL, QUICK

GROUPS = {
    "record": record.measure,
    "result": result.measure,
    "stream": stream.measure,
    "load": load.measure,
    "list": listing.measure,
    "import": imports.measure,
    "memory": memory.measure,
    "pipeline": pipeline.measure,
    "code": functions.measure,
    "follow": follow.measure,
}
PACKAGES = ("runfolio", "msgspec", "pandas", "numpy", "pyarrow")
HEAD = """\
| what | runfolio: median (best) | limit: median (best) | the limit is | ratio | at most | |
|---|---|---|---|---|---|---|"""


def main() -> None:
    """Run the groups that are asked for, one after another, and print the table."""
    options = _options()
    sizes = QUICK if options.quick else FULL
    found, rows = environment(), []
    print(", ".join(f"{name} {value}" for name, value in found.items()))
    if options.quick:
        print("Small sizes: the ratios mean nothing.")
    begin = time.monotonic()
    for name in options.only or GROUPS:
        with tempfile.TemporaryDirectory(prefix="runfolio-benchmark-") as folder:
            rows += GROUPS[name](sizes, Path(folder))
        print(f"{name}: done after {time.monotonic() - begin:.0f} s", file=sys.stderr)
    print("", HEAD, *(row.to_markdown() for row in rows), sep="\n")
    if options.json:
        _save(options.json, {"environment": found, "quick": options.quick, "rows": [row.to_json() for row in rows]})


def environment() -> dict[str, str]:
    """What the numbers depend on, without the machine's name or any path."""
    system = {"Python": platform.python_version(), "on": f"{platform.system()} {platform.machine()}"}
    return system | {"CPUs": str(os.cpu_count())} | {name: version(name) for name in PACKAGES}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure runfolio against its limits.")
    parser.add_argument("--only", action="append", choices=GROUPS, help="measure this group alone; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that the suite runs")
    return parser.parse_args()


def _save(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
