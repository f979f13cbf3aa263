"""Methods of single objects are others for a while, and nothing of it is left."""

from __future__ import annotations

import gc
import weakref

from runfolio.integrations.replacing import Replacements


class Greeter:
    def greet(self, name: str) -> str:
        return f"hello {name}"


def shouting(before, name):
    return before(name).upper()


def test_what_the_object_itself_had_is_called_and_comes_back():
    greeter, replaced = Greeter(), Replacements()
    greeter.greet = mine = lambda name: f"hi {name}"
    replaced.add(greeter, "greet", shouting)
    assert greeter.greet("ada") == "HI ADA"
    replaced.restore()
    assert greeter.greet is mine


def test_two_that_end_in_the_order_in_which_they_began_leave_a_call_that_does_nothing_of_its_own():
    greeter, one, two = Greeter(), Replacements(), Replacements()
    one.add(greeter, "greet", shouting)
    two.add(greeter, "greet", lambda before, name: before(name) + "!")
    one.restore()
    assert greeter.greet("ada") == "hello ada!"
    two.restore()
    assert greeter.greet("ada") == "hello ada"


def test_an_object_is_not_kept_alive():
    greeter, replaced = Greeter(), Replacements()
    replaced.add(greeter, "greet", shouting)
    gc.disable()
    try:
        reference = weakref.ref(greeter)
        del greeter
        assert reference() is None
    finally:
        gc.enable()
    replaced.restore()
