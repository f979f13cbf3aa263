"""The corpus: every frame that comes back exactly, by name, and whether it is native or which columns fell back."""

from typing import Any, NamedTuple

from .fallen import FALLEN
from .native import NATIVE
from .refused import REFUSED

__all__ = ["ACCEPTED", "NATIVE", "REFUSED", "Case"]


class Case(NamedTuple):
    """A frame's builder, and the names in the file of the columns that are JSON."""

    build: Any
    fallen: list[str]


ACCEPTED = {
    **{name: Case(build, []) for name, build in NATIVE.items()},
    **{name: Case(*found) if isinstance(found, tuple) else Case(found, ["a"]) for name, found in FALLEN.items()},
}
assert len(ACCEPTED) == len(NATIVE) + len(FALLEN)
