"""The built-in modules, and what `method` can name in each; the first of a module's methods come first in its help.

==============  ============================================================================================
Loader          file (the default: by its suffix), csv, tsv, json, json_lines, parquet, excel
Splitter        random (the default)
Preprocessor    impute, scale, one_hot, cast, drop, rename, filter
Describer       describe (the default), correlation
Reporter        data, timing, schema
==============  ============================================================================================

What they share stands in `tables`: parts, what is learned from `train`, columns by name. Behind Loader is `unreadable`,
behind Reporter `tablefiles`, and behind Preprocessor `filling`, `encoding`, `casts` and `selection`. None changes a
frame that it is handed.

>>> BUILT_IN["Loader"]["csv"]
'runfolio.pipeline.modules.loader:csv'
"""

from __future__ import annotations


def _methods(module: str, *names: str) -> dict[str, str]:
    return {name: f"runfolio.pipeline.modules.{module}:{name}" for name in names}


BUILT_IN: dict[str, dict[str, str]] = {
    "Loader": _methods("loader", "file", "csv", "tsv", "json", "json_lines", "parquet", "excel"),
    "Splitter": _methods("splitter", "random"),
    "Preprocessor": _methods("preprocessor", "impute", "scale", "one_hot", "cast", "drop", "rename", "filter"),
    "Describer": _methods("describer", "describe", "correlation"),
    "Reporter": _methods("reporter", "data", "timing", "schema"),
}
"""The callable that each method of each module stands for; no name here imports pandas."""

DEFAULT_METHODS: dict[str, str] = {"Loader": "file", "Splitter": "random", "Describer": "describe"}
"""The method of an experiment that names none."""
