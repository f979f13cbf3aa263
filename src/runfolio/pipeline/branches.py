"""The data of branches: kept while a step to come needs it, and read from the run folder where it is no longer kept.

What is withheld from the folder can't be read again. It is kept while a step to come may ask for it by name; and a run
that is resumed makes it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from runfolio.artifacts import StoredResult
from runfolio.errors import DamageError, NotFoundError
from runfolio.parts import holds_table
from runfolio.pipeline.plan import PlannedStep
from runfolio.privacy import Privacy
from runfolio.records import Path
from runfolio.standing import DESCRIBING_MODULES, key_of
from runfolio.tables import SERIES, is_frame, kind_of
from runfolio.view import RunView


class Branches:
    """What each step passes on, until the last step that follows it has taken it.

    Steps run depth first, so that no more is kept than what one branch needs: a data set for each of its steps from
    which another branch is still to start, and the last one.
    """

    def __init__(self, plan: list[PlannedStep], run: RunView, to_run: list[PlannedStep], privacy: Privacy) -> None:
        self._plan = plan
        self._run = run
        self._privacy = privacy
        self._kept: dict[int, Any] = {}
        self._waiting = Counter(step.parent for step in to_run)
        self._asked: dict[int, list[Path]] = {}
        self._withheld: dict[Path, Any] = {}
        if privacy.withholds:
            numbers, results = {step.number for step in to_run}, run.results
            self._asked = {step.number: _asked(step, numbers, results) for step in to_run}
        self._asking = Counter(path for paths in self._asked.values() for path in paths)

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
        """A step needs the data that it works on no more, or never will."""
        self._waiting[step.parent] -= 1
        if step.parent is not None and not self._waiting[step.parent]:
            self._kept.pop(step.parent, None)

    def put(self, step: PlannedStep, data: Any, result: Any) -> None:
        """What a step gave, and what it worked on: that is passed on where it gave no table or describes one."""
        if self._asking[step.path] and result is not None and not self._privacy.stores(step.module_name):
            self._withheld[step.path] = result
        if self._waiting[step.number]:
            passes = step.module_name in DESCRIBING_MODULES or not holds_table(result)
            self._kept[step.number] = data if passes else result

    def lend(self, step: PlannedStep, data: Any) -> Any:
        """The same data for a step to do with what it likes, while others need it as it is."""
        passes = step.module_name in DESCRIBING_MODULES and self._waiting[step.number] > 0
        shared = passes or any(kept is data for kept in (*self._kept.values(), *self._withheld.values()))
        return _lent(data, shared=shared)

    def done(self, step: PlannedStep) -> None:
        """A step asks for nothing any more, or never will."""
        for path in self._asked.get(step.number, ()):
            self._asking[path] -= 1
            if not self._asking[path]:
                self._withheld.pop(path, None)

    def result(self, path: Path) -> Any:
        """What the step of this path gave, from the run folder unless withheld. Raises NotFoundError if nothing."""
        if path in self._withheld:
            return _lent(self._withheld[path], shared=True)
        found = self._run.results.get(key_of(path))
        if found is None:
            raise NotFoundError(f"{key_of(path)} gave no result", remedy="name a module that did", key=key_of(path))
        return found["data"]

    def _read(self, step: PlannedStep) -> Any:
        """What a step passed on, which an earlier attempt ran. Raises DamageError if that is lost."""
        if step.module_name not in DESCRIBING_MODULES:
            if holds_table(self._withheld.get(step.path)):
                return self._withheld[step.path]
            stored = self._run.results.get(step.key)
            if stored is not None and _has_table(stored):
                return stored["data"]
            committed = self._run._stand().committed.get(step.path)
            if stored is None and committed is not None and committed.schema_after is not None:
                raise DamageError(
                    f"what {step.key} gave is lost, and a step that is still to run needs it",
                    remedy="begin another run",
                    key=step.key,
                )
        return None if step.parent is None else self._read(self._plan[step.parent])


def made_again(plan: list[PlannedStep], run: RunView, left: list[PlannedStep]) -> list[PlannedStep]:
    """The committed steps whose data was withheld and is needed, or may be asked for, by the steps that are left.

    A step that is made again needs its own input.
    """
    results, numbers = run.results, {step.path: step.number for step in plan}
    withheld = {stored.record.path for stored in results.values() if stored.is_withheld}
    to_run = {step.number for step in left}
    waiting, again = [*left], list[PlannedStep]()
    while waiting and withheld:
        for path in _asked(waiting.pop(), to_run, results):
            number = numbers[path]
            if path in withheld and number not in to_run:
                to_run.add(number)
                again.append(plan[number])
                waiting.append(plan[number])
    return sorted(again, key=lambda step: step.number)


def _asked(step: PlannedStep, to_run: Collection[int], results: Mapping[str, StoredResult]) -> list[Path]:
    """The paths of earlier steps whose stored data a step may ask for: of any, if one of its calls is handed the step.

    What it works on is asked for where an earlier attempt ran the step before: of the last that gave a table.
    """
    paths = [step.path[:length] for length in range(len(step.path) - 1, 0, -1)]
    if any(call.takes_step for call in step.calls):
        return paths
    if step.parent is not None and step.parent not in to_run:
        for path in paths:
            if path[-1].module_name not in DESCRIBING_MODULES and _has_table(results.get(key_of(path))):
                return [path]
    return []


def _has_table(stored: StoredResult | None) -> bool:
    return stored is not None and any(part.format == "parquet" for part in stored.record.parts)


def _lent(frame: Any, *, shared: bool) -> Any:
    if isinstance(frame, dict) and holds_table(frame):
        return {name: _lent(part, shared=shared) for name, part in frame.items()}
    if isinstance(frame, list) and holds_table(frame):
        return [_lent(part, shared=shared) for part in frame]
    if not is_frame(frame) and kind_of(frame) != SERIES:
        return frame
    if _copies_on_write():
        return frame.copy(deep=False)
    return frame.copy() if shared else frame


def _copies_on_write() -> bool:
    import pandas as pd  # noqa: PLC0415

    return int(pd.__version__.partition(".")[0]) > 2 or pd.get_option("mode.copy_on_write") is True  # noqa: PLR2004
