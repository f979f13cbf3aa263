"""The data of branches: kept while a step to come needs it, and read from the run folder where it is no longer kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from runfolio.errors import DamageError, NotFoundError
from runfolio.parts import holds_table
from runfolio.pipeline.plan import PlannedStep
from runfolio.records import Path
from runfolio.standing import DESCRIBING_MODULES, key_of
from runfolio.tables import SERIES, is_frame, kind_of
from runfolio.view import RunView


class Branches:
    """What each step passes on, until the last step that follows it has taken it.

    Steps run depth first, so that no more is kept than what one branch needs: a data set for each of its steps from
    which another branch is still to start, and the last one.
    """

    def __init__(self, plan: list[PlannedStep], run: RunView, to_run: Iterable[PlannedStep]) -> None:
        self._plan = plan
        self._run = run
        self._kept: dict[int, Any] = {}
        self._waiting = Counter(step.parent for step in to_run)

    def take(self, step: PlannedStep) -> Any:
        """The data that a step works on; None for a first one."""
        if step.parent is None:
            return None
        data = self._kept[step.parent] if step.parent in self._kept else self._read(self._plan[step.parent])
        self.release(step)
        if self._waiting[step.parent]:
            self._kept[step.parent] = data
        return data

    def release(self, step: PlannedStep) -> None:
        """A step needs what is before it no more, or never will."""
        self._waiting[step.parent] -= 1
        if step.parent is not None and not self._waiting[step.parent]:
            self._kept.pop(step.parent, None)

    def put(self, step: PlannedStep, data: Any, result: Any) -> None:
        """What a step gave, and what it worked on: that is passed on where it gave no table or describes one."""
        if self._waiting[step.number]:
            passes = step.module_name in DESCRIBING_MODULES or not holds_table(result)
            self._kept[step.number] = data if passes else result

    def lend(self, step: PlannedStep, data: Any) -> Any:
        """The same data for a step to do with what it likes, while others need it as it is."""
        passes = step.module_name in DESCRIBING_MODULES and self._waiting[step.number] > 0
        shared = passes or any(kept is data for kept in self._kept.values())
        return _lent(data, shared=shared)

    def result(self, path: Path) -> Any:
        """What the step of this path gave, from the run folder. Raises NotFoundError if that is nothing."""
        found = self._run.results.get(key_of(path))
        if found is None:
            raise NotFoundError(f"{key_of(path)} gave no result", remedy="name a module that did", key=key_of(path))
        return found["data"]

    def _read(self, step: PlannedStep) -> Any:
        """What a step passed on, which an earlier attempt ran. Raises DamageError if that is lost."""
        if step.module_name not in DESCRIBING_MODULES:
            stored = self._run.results.get(step.key)
            if stored is not None and any(part.format == "parquet" for part in stored.record.parts):
                return stored["data"]
            committed = self._run._stand().committed.get(step.path)
            if stored is None and committed is not None and committed.schema_after is not None:
                raise DamageError(
                    f"what {step.key} gave is lost, and a step that is still to run needs it",
                    remedy="begin another run",
                    key=step.key,
                )
        return None if step.parent is None else self._read(self._plan[step.parent])


def _lent(frame: Any, *, shared: bool) -> Any:
    if isinstance(frame, dict) and holds_table(frame):
        return {name: _lent(part, shared=shared) for name, part in frame.items()}
    if not is_frame(frame) and kind_of(frame) != SERIES:
        return frame
    if _copies_on_write():
        return frame.copy(deep=False)
    return frame.copy() if shared else frame


def _copies_on_write() -> bool:
    import pandas as pd  # noqa: PLC0415

    return int(pd.__version__.partition(".")[0]) > 2 or pd.get_option("mode.copy_on_write") is True  # noqa: PLR2004
