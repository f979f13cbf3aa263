"""Reports: results that tell of data instead of being data, by which runs are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runfolio.records import Part, Path

REPORTING = ("Describer", "Evaluator")
"""The modules whose small frames are reports."""

MOST_NUMBERS = 500
"""A frame of more cells is no report."""


def is_report(path: Path, part: Part) -> bool:
    """Whether a part of the result of a path is a report: JSON, or a small frame of a module that describes data.

    >>> import pandas as pd
    >>> from runfolio import Status
    >>> with Status(root=root) as status:
    ...     for module in ("Loader", "Describer"):
    ...         with status.step(module, "a") as step:
    ...             _ = step.result(pd.DataFrame({"age": [31, 40]}))
    >>> [is_report(result.path, result.parts[0]) for result in status.result_records]
    [False, True]
    """
    if part.format == "json":
        return True
    return (part.rows or 0) * (part.columns or 0) <= MOST_NUMBERS and bool(path) and path[-1].module_name in REPORTING
