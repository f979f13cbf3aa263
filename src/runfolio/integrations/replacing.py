"""Methods of single objects that are others for a while: the objects' classes stay what they are."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any


class Replacements:
    """Methods that were replaced, and how to restore them. It keeps none of their objects alive.

    >>> class Greeter:
    ...     def greet(self, name):
    ...         return f"hello {name}"
    >>> greeter, replacements = Greeter(), Replacements()
    >>> replacements.add(greeter, "greet", lambda before, name: before(name).upper())
    >>> greeter.greet("ada")
    'HELLO ADA'
    >>> replacements.restore()
    >>> greeter.greet("ada"), vars(greeter)
    ('hello ada', {})
    """

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []
        self._active = True

    def add(self, owner: Any, name: str, ours: Callable[..., Any]) -> None:
        """Call `ours` in the place of a method, with what was there before as its first argument."""
        reference, had, before = weakref.ref(owner), name in vars(owner), vars(owner).get(name)

        def call_before(*args: Any, **keywords: Any) -> Any:
            if had:
                return before(*args, **keywords)
            found = reference()
            return getattr(type(found), name)(found, *args, **keywords)

        def replacement(*args: Any, **keywords: Any) -> Any:
            return ours(call_before, *args, **keywords) if self._active else call_before(*args, **keywords)

        def undo() -> None:
            found = reference()
            if found is None or vars(found).get(name) is not replacement:
                return  # it is gone, or another's stands there by now, which calls ours: that only passes on from here
            if had:
                setattr(found, name, before)
            else:
                delattr(found, name)

        setattr(owner, name, replacement)
        self._undo.append(undo)

    def restore(self) -> None:
        """Put back what was there before, the last first."""
        self._active = False
        while self._undo:
            self._undo.pop()()
