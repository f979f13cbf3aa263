"""Limits: how much of anything in a run folder a reader takes, whoever wrote it.

All but one are fixed. The environment variable `RUNFOLIO_MAX_RESULT_BYTES` says how many bytes of memory one result may
take while it is read; without it that is the memory of the machine. What a result takes is estimated before any of it
is unpacked: see `runfolio.tables.sizes`.
"""

from __future__ import annotations

import os

from runfolio.errors import TooLargeError, UsageError

__all__ = [
    "MAX_DIRECTORY",
    "MAX_FINDINGS",
    "MAX_LINE",
    "MAX_METADATA",
    "MAX_REPORT",
    "MAX_RESULT",
    "MAX_SUMS",
    "admit",
    "max_result_bytes",
]

MAX_LINE = 16 * 1024 * 1024
"""The longest line in bytes, its newline included, that a writer writes and a reader reads; `run.json` is one."""

MAX_SUMS = 64 * 1024 * 1024
"""So many bytes of `SHA256SUMS` are read."""

MAX_DIRECTORY = 64 * 1024 * 1024
"""So many bytes of a zip file's directory are read: about half a million files."""

MAX_REPORT = 256 * 1024 * 1024
"""A JSON report of more bytes than this is verified by its digest alone."""

MAX_FINDINGS = 1000
"""So many findings are kept of a folder; a damaged file can hold any number."""

MAX_METADATA = 2**31 - 1
"""The longest text in the metadata of a Parquet file: Arrow's own limit refuses footers that a writer may write."""

MAX_RESULT = "RUNFOLIO_MAX_RESULT_BYTES"

_USUAL_MEMORY = 16 * 2**30


def max_result_bytes() -> int:
    """How many bytes of memory one result may take. Raises UsageError where the variable is no number of bytes."""
    text = os.environ.get(MAX_RESULT, "").strip()
    if not text:
        return _memory()
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 20) or int(text) == 0:  # noqa: PLR2004
        raise UsageError(f"{MAX_RESULT} is {text!r}", remedy="set it to a number of bytes, or unset it", key=MAX_RESULT)
    return int(text)


def admit(needed: int, file: str, remedy: str = "") -> None:
    """Raise TooLargeError if a result's file takes more memory than it may; `remedy` is what helps instead."""
    most = max_result_bytes()
    if needed > most:
        raise TooLargeError(
            f"the result file {file} takes {needed:,} bytes of memory, and {most:,} are allowed",
            remedy=f"{remedy}set {MAX_RESULT} to more if you trust the file",
            file=file,
        )


def _memory() -> int:
    """The memory of this machine in bytes, or a usual size where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return _USUAL_MEMORY
