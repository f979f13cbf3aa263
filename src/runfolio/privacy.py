"""Privacy: what is recorded of the data of each module: the data itself or its schema alone, and what of its values.

Both are one word for the whole run, or a word for each module, in which `*` stands for all that are not named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from msgspec import Struct

from runfolio.errors import UsageError
from runfolio.field import Profile
from runfolio.records import Header, Recorded

Results = Literal["full", "schema"]
"""Whether a module's data is stored, or withheld: its schema is recorded alone."""

Told = Literal["full", "digest", "names", "hashed"]
"""What is told of values: a `Profile`, or with `hashed` not even the names of columns and parts."""

OTHERS = "*"
"""The name of all modules that are not named."""

RESULTS: tuple[Results, ...] = get_args(Results)
TOLD: tuple[Told, ...] = get_args(Told)


class Privacy(Struct, frozen=True):
    """What is recorded of each module's data; both mappings have a word for `OTHERS`.

    >>> privacy = Privacy.of({"Loader": "schema"}, "digest")
    >>> privacy.stores("Loader"), privacy.stores("Splitter"), privacy.told("Loader"), privacy.withholds
    (False, True, 'digest', True)
    """

    results: dict[str, Results]
    profile: dict[str, Told]

    @classmethod
    def of(cls, results: Any, profile: Any) -> Privacy:
        """By words, or mappings of a module's name to one. Raises UsageError, also for names hashed in data stored."""
        found = cls(words(results, RESULTS, "results"), words(profile, TOLD, "profile"))
        for module in found.modules:
            if found.hashes(module) and found.stores(module):
                raise UsageError(
                    f"profile is 'hashed' for {called(module)}, whose data is stored with the names in it",
                    remedy="withhold the data as well: results='schema'",
                    key="profile",
                )
        return found

    @classmethod
    def of_header(cls, header: Header, results: Any = None, profile: Any = None) -> Privacy:
        """That of a run so far, but for what is given anew."""
        named = {one.module_name: one for one in header.modules}
        results_so_far = {OTHERS: header.results} | {name: one.results for name, one in named.items()}
        profile_so_far = {OTHERS: header.profile} | {name: one.profile for name, one in named.items()}
        return cls.of(merged(results_so_far, results), merged(profile_so_far, profile))

    @property
    def modules(self) -> list[str]:
        """Every module that has words of its own, and `OTHERS`."""
        return list(dict.fromkeys([*self.results, *self.profile]))

    @property
    def withholds(self) -> bool:
        """Whether the data of any module is withheld: no message of an error is recorded then."""
        return "schema" in self.results.values()

    @property
    def is_open(self) -> bool:
        """Whether all is recorded of everything."""
        return {*self.results.values(), *self.profile.values()} == {"full"}

    def stores(self, module: str | None) -> bool:
        """Whether the data of a module is stored."""
        return self.results.get(module or OTHERS, self.results[OTHERS]) == "full"

    def told(self, module: str | None) -> Told:
        """What is told of the values of a module."""
        return self.profile.get(module or OTHERS, self.profile[OTHERS])

    def hashes(self, module: str | None) -> bool:
        """Whether names of columns and parts are hashed."""
        return self.told(module) == "hashed"

    def strictest(self, modules: Iterable[str]) -> Told:
        """The word that tells least, of these modules'."""
        return max((self.told(module) for module in modules), key=TOLD.index, default=self.told(None))

    def recorded(self) -> list[Recorded]:
        """What a header says of modules that have words of their own."""
        return [
            Recorded(module, "full" if self.stores(module) else "schema", self.told(module))
            for module in self.modules
            if module != OTHERS
        ]


def words(given: Any, allowed: tuple[str, ...], what: str) -> dict[str, Any]:
    """One word for all modules, or a mapping of names to words, as such a mapping. Raises UsageError."""
    found = dict(given) if isinstance(given, Mapping) else {OTHERS: given}
    for module, word in found.items():
        if not isinstance(module, str):
            raise UsageError(f"{what} names the module {module!r}", remedy="name modules by text", key=what)
        if not isinstance(word, str) or word not in allowed:
            of = "" if module == OTHERS else f" of {module}"
            remedy = f"it is one of {', '.join(allowed)}, or a mapping of modules to these"
            raise UsageError(f"{what}{of} is {word!r}", remedy=remedy, key=what)
    return {OTHERS: allowed[0], **found}


def merged(said: Any, given: Any) -> Any:
    """What was said before, but for what is given anew: for some modules, or with one word for all; None is nothing.

    >>> merged("schema", {"Loader": "full"}), merged({"Loader": "full"}, None), merged({"Loader": "full"}, "schema")
    ({'*': 'schema', 'Loader': 'full'}, {'Loader': 'full'}, 'schema')
    """
    if said is None or given is None or not isinstance(given, Mapping):
        return said if given is None else given
    return {**(said if isinstance(said, Mapping) else {OTHERS: said}), **given}


def profile_of(told: Told) -> Profile:
    """The profile that schemas are inferred by; names are hashed afterwards."""
    return "names" if told == "hashed" else told


def called(module: str) -> str:
    """A module, or all others, in words."""
    return "the modules that are not named" if module == OTHERS else f"the module {module}"
