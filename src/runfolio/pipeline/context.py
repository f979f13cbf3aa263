"""The context of a step: what a callable that has a parameter named `step` is handed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runfolio.errors import NotFoundError
from runfolio.field import ChangeType
from runfolio.records import Change, Metadata, Path
from runfolio.schema import Schemas
from runfolio.standing import path_of
from runfolio.status import Status
from runfolio.step import Step

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    import pandas as pd


class StepContext:
    """The step that a callable runs in.

    `module_name`, `experiment_name` and `key` name it; `branch` is its experiment path, itself the last; `status` is
    the run that it is part of.
    """

    def __init__(self, status: Status, step: Step, data: Any, result_of: Callable[[Path], Any]) -> None:
        self.status = status
        self.module_name, self.experiment_name = step.module_name, step.experiment_name
        self.branch, self.key = step.path, step.key
        self._step = step
        self._data = data
        self._result_of = result_of

    def data(self, module: str | None = None) -> Any:
        """What an earlier module of this branch gave, or without a name what this step works on.

        Raises NotFoundError if there is no such module on the branch, or it gave nothing.
        """
        return self._data if module is None else self._result_of(self._path_to(module))

    def schema(self, module: str) -> Schemas:
        """The schema of what an earlier module gave: of each part where there are several, None for no table.

        Raises NotFoundError if there is no such module on the branch.
        """
        path = self._path_to(module)
        return self.status._stand().committed.get(path, Metadata(None, None)).schema_after

    def timings(self) -> pd.DataFrame:
        """The timings of the steps that this one follows, as `Status.get_timing` has them."""
        earlier = {self.branch[:length] for length in range(1, len(self.branch))}
        begun = {
            event.record_id
            for event in self.status.events
            if event.type == "step" and path_of(event.context) in earlier
        }
        found = self.status.get_timing()
        return found[found["record_id"].isin(begun)].reset_index(drop=True)

    def progress(self, done: float, total: float | None = None, unit: str | None = None) -> None:
        """How far the step is: `done` of `total` `unit`. A sample: call it as often as you like."""
        self._step.progress(done, total, unit)

    def log(self, message: str, level: str = "info") -> None:
        """Record a message."""
        self._step.log(message, level)

    def change(
        self,
        change_type: ChangeType,
        target: str,
        details: Mapping[str, Any] | None = None,
        *,
        before: Any = None,
        after: Any = None,
        part: str | None = None,
    ) -> Change:
        """Record a change that can't be told from the data, as `Status.record_change`."""
        return self.status.record_change(change_type, target, details, before=before, after=after, part=part)

    def input(self, path: str | os.PathLike[str]) -> FilePath:
        """Record a file that the step reads, with its size and SHA-256, and return its path. Raises InputError."""
        return self._step.input(path)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time a part of the step, in a `with` statement; it is recorded as nested in it."""
        record_id = self.status.start_timing(self.module_name, self.experiment_name, name)
        try:
            yield
        except BaseException:
            self.status.end_timing(record_id, outcome="failed")
            raise
        self.status.end_timing(record_id)

    def _path_to(self, module: str) -> Path:
        for length in range(len(self.branch) - 1, 0, -1):
            if self.branch[length - 1].module_name == module:
                return self.branch[:length]
        earlier = [step.module_name for step in self.branch[:-1]]
        raise NotFoundError(
            f"no module {module!r} before {self.key}", remedy=f"there is {', '.join(earlier) or 'none'}", key=module
        )
