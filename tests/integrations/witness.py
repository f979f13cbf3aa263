"""An independent record of what PETsARD did: taken below runfolio, at PETsARD's own classes, in memory or in a file."""

from __future__ import annotations

import math
import pickle
import time
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pandas as pd
from petsard.adapter import BaseAdapter
from petsard.status import Status


class Seen(NamedTuple):
    """A step as it was seen: the key by PETsARD's own account, what came in, what it gave, how long it ran."""

    key: str
    data: Any
    result: Any
    validation: Any
    seconds: float


class Witness:
    """What was seen in the block of `watching`, and the class and error of what failed."""

    def __init__(self, file: Path | None = None) -> None:
        self.seen: list[Seen] = []
        self.failed: list[tuple[str, str]] = []
        self._file = file
        self._ran: dict[int, tuple[Any, float]] = {}

    @contextmanager
    def watching(self):
        run, put = BaseAdapter.run, Status.put

        def watched_run(operator, input):
            data, begun = deepcopy(input.get("data")), time.perf_counter()
            try:
                run(operator, input)
            except BaseException as error:
                self.failed.append((type(operator).__name__.removesuffix("Adapter"), repr(error)))
                raise
            self._ran[id(operator)] = data, time.perf_counter() - begun

        def watched_put(status, module, expt, operator):
            put(status, module, expt, operator)
            path = status.get_full_expt(module)
            key = "_".join(f"{name}[{experiment}]" for name, experiment in path.items())
            validation = getattr(operator, "get_validation_result", lambda: None)()
            data, seconds = self._ran[id(operator)]
            self._note(Seen(key, data, operator.get_result(), validation, seconds))

        with patch.object(BaseAdapter, "run", watched_run), patch.object(Status, "put", watched_put):
            yield self

    def _note(self, seen: Seen) -> None:
        self.seen.append(deepcopy(seen))
        if self._file is not None:
            with self._file.open("ab") as file:
                pickle.dump(tuple(seen), file)


def read(file: Path) -> list[Seen]:
    """What a witness in another process saw."""
    found = []
    with file.open("rb") as stream:
        while True:
            try:
                found.append(Seen(*pickle.load(stream)))
            except EOFError:
                return found


def check_same(stored: Any, given: Any) -> None:
    """Hold what was stored against what was given, of which all but tables is in the documented form."""
    if isinstance(given, pd.DataFrame):
        pd.testing.assert_frame_equal(stored, given, check_freq=False)
    elif isinstance(given, dict):
        assert list(stored) == [str(key) for key in given]
        for key, below in given.items():
            check_same(stored[str(key)], below)
    elif isinstance(given, (list, tuple)):
        assert len(stored) == len(given)
        for one, other in zip(stored, given, strict=True):
            check_same(one, other)
    elif isinstance(given, set):
        assert sorted(stored) == sorted(given)
    elif isinstance(given, float) and math.isnan(given):
        assert stored == "NaN"
    else:
        assert stored == given
        assert type(stored) in (str, int, float, bool, type(None))
