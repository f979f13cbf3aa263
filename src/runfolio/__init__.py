"""runfolio: a file-based run-artifact tracker for tabular data pipelines.

`Status` writes what a pipeline did into one run folder of plain files, while it happens; `load_run` rebuilds the whole
Status API from that folder.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from runfolio.version import __version__

if TYPE_CHECKING:
    from runfolio.catalog import list_runs
    from runfolio.errors import RunfolioError
    from runfolio.following import follow, follow_root
    from runfolio.pipeline.executor import Executor
    from runfolio.queries import sql
    from runfolio.run import Run, load_run
    from runfolio.schema import Field, Schema
    from runfolio.sidebyside import compare_runs
    from runfolio.status import Status
    from runfolio.tracking import tracked

__all__ = [
    "Executor",
    "Field",
    "Run",
    "RunfolioError",
    "Schema",
    "Status",
    "__version__",
    "compare_runs",
    "follow",
    "follow_root",
    "list_runs",
    "load_run",
    "sql",
    "tracked",
]

_HOMES = {
    "Executor": "pipeline.executor",
    "Field": "field",
    "Run": "run",
    "RunfolioError": "errors",
    "Schema": "schema",
    "Status": "status",
    "compare_runs": "sidebyside",
    "follow": "following",
    "follow_root": "following",
    "list_runs": "catalog",
    "load_run": "run",
    "sql": "queries",
    "tracked": "tracking",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, and no more: a command that only lists runs needs no writer."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"runfolio.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'runfolio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
