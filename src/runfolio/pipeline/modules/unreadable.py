"""Why a file can't be read: an InputError in the place of what pandas and the libraries below it raise."""

from __future__ import annotations

import json
import lzma
import re
import zipfile
import zlib
from contextlib import suppress
from gzip import BadGzipFile
from pathlib import Path

from pandas.errors import EmptyDataError

from runfolio.errors import InputError

COMPRESSIONS = (".gz", ".bz2", ".zip", ".xz", ".zst")

LINES = ("JSON Lines",)
"""Formats of which each line is a document."""

_LINE = re.compile(r"in line (\d+)")
_QUOTE = re.compile(r"EOF inside string starting at row (\d+)")
_PACKAGE = re.compile(r"(?:`Import |optional dependency ')([\w.-]+)")
_PLAINER = {
    "DataFrame constructor not properly called": "it holds a single value, not an array of objects",
    "If using all scalar values": "it holds a single object, not an array of them",
}
_DAMAGED = (zlib.error, EOFError, zipfile.BadZipFile, lzma.LZMAError, BadGzipFile)


def check(path: Path) -> None:
    """Raise InputError if there is no file at the path, none that may be read, or an empty one."""
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except OSError as error:
        raise _not_opened(error, path) from error
    if is_empty:
        raise InputError(f"{path} is empty", remedy="name a file that has data in it", file=str(path))


def explain(error: Exception, path: Path, kind: str, encoding: str | None) -> InputError:
    """The error for a file of a kind, such as CSV, that a reader failed at; `encoding` is None for UTF-8."""
    if isinstance(error, EmptyDataError):
        return InputError(f"{path} has no columns", remedy="name a file that has data in it", file=str(path))
    if isinstance(error, UnicodeDecodeError):
        return _not_decoded(error, path, encoding)
    if isinstance(error, ImportError):
        return _not_installed(error, path, kind)
    if isinstance(error, _DAMAGED) or _is_zstd(error):
        what = f"{path} is damaged or cut short: {_first_line(error)}"
        return InputError(what, remedy="copy it anew, or name it by what it is", file=str(path))
    if isinstance(error, OSError) and error.strerror:
        return _not_opened(error, path)
    return _refused(error, path, kind)


def _not_opened(error: OSError, path: Path) -> InputError:
    what = {
        FileNotFoundError: f"there is no file {path}",
        IsADirectoryError: f"{path} is a folder, not a file",
        PermissionError: f"no permission to read the file {path}",
    }.get(type(error), f"the file {path} can't be read: {error.strerror or error}")
    return InputError(what, remedy="name a file that can be read", file=str(path))


def _not_decoded(error: UnicodeDecodeError, path: Path, encoding: str | None) -> InputError:
    byte = error.object[error.start]
    line = None
    if "\n".encode(encoding or "utf-8") == b"\n" and path.suffix.lower() not in COMPRESSIONS:
        # The reader decodes in pieces: what it tells of the place is that in a piece.
        line, byte = _first_undecodable(path, encoding or "utf-8") or (None, byte)
    return InputError(
        f"{path} is not {error.encoding} text: byte {byte:#04x}" + (f" in line {line}" if line else ""),
        remedy="set encoding to that of the file, such as latin-1, cp1252 or utf-16",
        file=str(path),
        line=line,
    )


def _first_undecodable(path: Path, encoding: str) -> tuple[int, int] | None:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return None


def _not_installed(error: ImportError, path: Path, kind: str) -> InputError:
    found = _PACKAGE.search(str(error))
    package = found[1].rstrip(".") if found else error.name
    return InputError(
        f"{path} can't be read as {kind}: {f'{package} is not installed' if package else _first_line(error)}",
        remedy=f"pip install {package}" if package else "install what is missing",
        file=str(path),
    )


def _refused(error: Exception, path: Path, kind: str) -> InputError:
    if kind == "Excel" and isinstance(error, KeyError) and zipfile.is_zipfile(path):
        what = f"{path} can't be read as Excel: it is a zip archive of another kind"
        return InputError(what, remedy="name an Excel or OpenDocument file", file=str(path))
    line = _line_of(error, path, kind)
    message = _first_line(error)
    place = f", line {line}" if line and f"line {line}" not in message else ""
    return InputError(
        f"{path} can't be read as {kind}{place}: {message}",
        remedy="correct the file, or the options that it is read with",
        file=str(path),
        line=line,
    )


def _line_of(error: Exception, path: Path, kind: str) -> int | None:
    if "JSON" in kind and path.suffix.lower() not in COMPRESSIONS:
        with suppress(OSError, UnicodeDecodeError, RecursionError):
            return _first_bad_line(path) if kind in LINES else _bad_line(path.read_text("utf-8"))
    found = _LINE.search(str(error))
    if found:
        return int(found[1])
    found = _QUOTE.search(str(error))
    return int(found[1]) + 1 if found else None


def _first_bad_line(path: Path) -> int | None:
    with path.open(encoding="utf-8") as file:
        return next((number for number, line in enumerate(file, 1) if line.strip() and _bad_line(line)), None)


def _bad_line(text: str) -> int | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    return None


def _first_line(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error}"
    plainer = next((words for start, words in _PLAINER.items() if str(error).startswith(start)), None)
    if plainer is not None:
        return plainer
    text = str(error).strip().removeprefix("Error tokenizing data. ").removeprefix("C error: ")
    return text.splitlines()[0] if text else type(error).__name__


def _is_zstd(error: Exception) -> bool:
    return type(error).__name__ == "ZstdError"
