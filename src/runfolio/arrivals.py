"""Arrivals: the runs that appear under a root, each told once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runfolio import root as roots
from runfolio.history import COARSE

if TYPE_CHECKING:
    from pathlib import Path


class Arrivals:
    """Looks for runs again and again. Those that were there at the first look are told by that."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: set[str] = set()
        self._listed = 0

    def new(self) -> list[str]:
        """The names of runs that came since the last call, the oldest first. A folder that is none yet is asked again.

        Raises NotFoundError if the root is a file.
        """
        if not self._has_changed():
            return []
        unknown = [name for name in reversed(roots.candidates(self._root)) if name not in self._known]
        found = [name for name in unknown if roots.is_run(str(self._root / name))]
        self._known.update(found)
        self._listed = 0 if len(found) < len(unknown) else self._listed
        return found

    def _has_changed(self) -> bool:
        """Whether names may have come since the root was listed: with many runs that costs more than all else."""
        try:
            changed = self._root.stat().st_mtime_ns
        except OSError:
            return True
        has = changed != self._listed or time.time_ns() - changed <= COARSE
        self._listed = changed
        return has
