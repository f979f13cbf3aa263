"""Forks: what is made anew in a forked child, in which no other thread is there to give a mutex back."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """What has a mutex, or descriptors of its own."""

    def _after_fork(self) -> None:
        """Become the child's own."""


_forked: weakref.WeakSet[Forked] = weakref.WeakSet()


def register(one: Forked) -> None:
    """Have `_after_fork` called in each forked child, as long as there is this object."""
    _forked.add(one)


def _reset() -> None:
    for one in list(_forked):
        one._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
