"""A Kedro project in a folder, and the sessions that are run in it: `python kedro_project.py FOLDER`."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

FILES = {
    "pyproject.toml": """
[tool.kedro]
package_name = "shop"
project_name = "shop"
kedro_init_version = "{version}"
source_dir = "src"
""",
    "src/shop/__init__.py": "",
    "src/shop/settings.py": """
from runfolio.integrations.kedro import RunfolioHooks

HOOKS = (RunfolioHooks(tags=["kedro"]),)
""",
    "src/shop/pipeline_registry.py": """
import os

import pandas as pd
from kedro.pipeline import Pipeline, node

from runfolio import tracked


def load():
    return pd.DataFrame({"age": [31.0, None, 52.0], "city": ["Lima", "Oslo", "Lima"]})


@tracked(module="Helper")
def known(people):
    return people.dropna()


def clean(people):
    return known(people)


def split(people):
    return people.head(1), people.tail(1), {"rows": len(people)}


def oldest(train, test, counts):
    return pd.concat([train, test]).nlargest(1, "age").assign(of=counts["rows"])


def fail(people):
    raise ValueError(f"no use for {len(people)} rows")


def die(people):
    os._exit(1)


def register_pipelines():
    nodes = [
        node(load, None, "people", name="load"),
        node(clean, "people", "known", name="clean"),
        node(split, "known", ["train", "test", "counts"], name="split"),
        node(oldest, ["train", "test", "counts"], "oldest", name="oldest"),
    ]
    return {
        "__default__": Pipeline(nodes),
        "failing": Pipeline([*nodes[:2], node(fail, "known", "never", name="fail")]),
        "dying": Pipeline([*nodes[:2], node(die, "known", "never", name="die")]),
    }
""",
    "conf/base/catalog.yml": "",
    "conf/local/.keep": "",
}


def make(folder: Path) -> Path:
    from kedro import __version__

    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{version}", __version__), encoding="utf-8")
    return folder


def main(folder: Path) -> None:
    """Run the pipelines by each runner; the name of a run is taken from the root that it is recorded under."""
    from kedro.framework.startup import bootstrap_project
    from kedro.runner import ParallelRunner, SequentialRunner, ThreadRunner

    from runfolio import Status

    bootstrap_project(folder)
    roots = folder / "runs"
    for name, runner in (("sequential", SequentialRunner), ("thread", ThreadRunner)):
        session(folder, roots / name, runner())
    for method in ("fork", "spawn"):
        multiprocessing.set_start_method(method, force=True)
        session(folder, roots / method, ParallelRunner(max_workers=2))
    multiprocessing.set_start_method("fork", force=True)
    for name, runner in (("failing", SequentialRunner()), ("dying", ParallelRunner(max_workers=1))):
        try:
            session(folder, roots / name, runner, name)
        except Exception as error:  # noqa: BLE001  (which one is printed)
            print(name, type(error).__name__, error)
    with Status(name="mine", root=roots / "current") as status:
        for _ in range(2):
            session(folder, roots / "none", SequentialRunner())
        print("current", *status.get_full_expt())
    print("variable", "RUNFOLIO_KEDRO" in os.environ)


def session(folder: Path, root: Path, runner: object, pipeline: str | None = None) -> None:
    from kedro.framework.session import KedroSession

    os.environ["RUNFOLIO_RUNS"] = str(root)
    with KedroSession.create(project_path=folder) as found:
        found.run(runner=runner, pipeline_names=pipeline and [pipeline])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
