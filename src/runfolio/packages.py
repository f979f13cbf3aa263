"""Packages: the distributions that imported modules come from, with their versions.

A distribution's version stands in the name of its folder, `pandas-3.0.0.dist-info`, so that a listing of the folder
around a module tells it; `importlib.metadata` would take 0.2 s. Which distribution has a module of another name, such
as `yaml` of PyYAML, only its list of files tells.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from runfolio.records import Version
from runfolio.version import __version__

_INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
_MAX_BYTES = 4 * 2**20


class _Distribution(Struct, frozen=True):
    name: str
    version: str
    info: str


class _Found(Struct):
    """What is known of the modules of one folder: its distributions, and those of the modules looked for."""

    stamp: int
    distributions: list[_Distribution]
    by_module: dict[str, list[_Distribution]]


_folders: dict[str, _Found] = {}


def imported(*, thorough: bool) -> list[Version]:
    """Python, runfolio, and the distributions that what is imported now comes from, in the order of their names.

    Those that are not named as their modules are found only if it is `thorough`, which may take some milliseconds.
    """
    found = {"runfolio": Version("runfolio", __version__)}
    for module, folder in _imported():
        for one in _distributions_of(module, folder, thorough=thorough):
            found.setdefault(_plain(one.name), Version(one.name, one.version))
    ordered = sorted(found.values(), key=lambda one: one.name.lower())
    return [Version("python", platform.python_version()), *ordered]


def _imported() -> Iterator[tuple[str, str]]:
    """The top-level modules that are no part of Python, each with the folder that it is in."""
    for name, module in list(sys.modules.items()):
        if "." in name or name.startswith("_") or name in sys.stdlib_module_names:
            continue
        with suppress(Exception):  # what stands for a module may be any object
            spec: Any = module.__spec__
            for place in [*(spec.submodule_search_locations or ()), *filter(None, [spec.origin])]:
                yield name, os.path.dirname(place)  # noqa: PTH120
                break


def _distributions_of(module: str, folder: str, *, thorough: bool) -> list[_Distribution]:
    found = _listed(folder)
    if module in found.by_module:
        return found.by_module[module]
    same = [one for one in found.distributions if _plain(one.name) == _plain(module)]
    if same or thorough:
        found.by_module[module] = same or _holders(module, folder, found.distributions)
    return found.by_module.get(module, [])


def _listed(folder: str) -> _Found:
    with suppress(OSError):
        stamp = os.stat(folder).st_mtime_ns  # noqa: PTH116
        found = _folders.get(folder)
        if found is None or found.stamp != stamp:
            named = filter(None, map(_INFO.fullmatch, os.listdir(folder)))  # noqa: PTH208
            known = [_Distribution(one["name"], one["version"], one[0]) for one in named]
            found = _folders[folder] = _Found(stamp, known, {})
        return found
    return _Found(0, [], {})


def _holders(module: str, folder: str, distributions: list[_Distribution]) -> list[_Distribution]:
    """The distributions that have files of a module; one of a like name is asked first, and is then the only one."""
    like = [one for one in distributions if _plain(module) in _plain(one.name)]
    return next(([one] for one in like if _has(module, folder, one)), None) or [
        one for one in distributions if one not in like and _has(module, folder, one)
    ]


def _has(module: str, folder: str, distribution: _Distribution) -> bool:
    """Whether a distribution's list of files has one of the module."""
    with suppress(OSError):
        path = Path(folder, distribution.info)
        record = path / "RECORD"
        with (record if record.exists() else path / "top_level.txt").open("rb") as file:
            files = b"\n" + file.read(_MAX_BYTES)
        return re.search(rb"\n%s[/.,\r\n]" % re.escape(module.encode()), files) is not None
    return False


def _plain(name: str) -> str:
    """A name as distributions and modules share it."""
    return re.sub(r"[-_.]+", "_", name).lower()
