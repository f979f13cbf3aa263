"""Losses: what could not be written where the pipeline is to run on, counted until the run folder can tell of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from msgspec import Struct

from runfolio import layout
from runfolio.clock import Clock
from runfolio.errors import WriteError, WriteWarning
from runfolio.records import Lost, SegmentFile
from runfolio.segment import Ids

if TYPE_CHECKING:
    from pathlib import Path

RETRY_SECONDS = 1.0
"""So often it is tried to write again."""


class Losses:
    """What was lost in all, and what of it no event has told of yet."""

    def __init__(self) -> None:
        self.total = 0
        self.untold: Lost | None = None

    def add(self, kind: str, error: WriteError) -> None:
        """Count a record, or a result with its files. Warns of the first since all was well."""
        first, old = self.untold is None, self.untold or Lost(records=0, results=0, error=error.what, errno=error.errno)
        is_result = kind == "result"
        self.total += 1
        self.untold = Lost(
            records=old.records + (not is_result), results=old.results + is_result, error=old.error, errno=old.errno
        )
        if first:
            _warn(f"{error.what}: the run goes on, and what it can't record is lost")

    def told(self) -> None:
        """An event tells of all."""
        self.untold = None

    def warn(self, folder: object) -> None:
        """Say at the end what was lost in all."""
        if self.total:
            told = "" if self.untold is None else ", and the folder could not be told so"
            _warn(f"records of {folder or 'the run'} that could not be written and are lost: {self.total:,}{told}")


def _warn(message: str) -> None:
    warnings.warn(message, WriteWarning, stacklevel=2)


class Void:
    """What stands in for a segment while none can be written: it has ids for records, and keeps none of them."""

    broken = False
    seq = 0

    def __init__(self, losses: Losses, error: WriteError, clock: Clock) -> None:
        self.writer = layout.token(8)
        self.new_id = Ids(self.writer).new
        self.schema_ids: set[str] = set()
        self._losses, self._error = losses, error
        self._clock, self._until = clock, clock.monotonic() + RETRY_SECONDS

    @property
    def is_due(self) -> bool:
        """Whether it is time to try again."""
        return self._clock.monotonic() >= self._until

    def hurry(self) -> None:
        """Let it be tried again at once."""
        self._until = self._clock.monotonic()

    def write(self, kind: str, record: Struct) -> bool:
        """Count the record as lost."""
        self._losses.add(kind, self._error)
        return False

    def new_result_file(self, decoration: str, suffix: str) -> tuple[Path, Path]:
        """Raise what it failed for."""
        raise self._error.again()

    def files(self) -> list[SegmentFile]:
        """None."""
        return []
