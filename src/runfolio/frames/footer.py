"""The footer: what a frame is beside its values, as JSON under the key `runfolio` of a Parquet file's metadata.

=========== ==========================================================================================
key         content
=========== ==========================================================================================
`version`   2; a reader refuses what it does not know
`columns`   how to restore each column of the frame, as in `carriers`
`labels`    the labels of the columns, as in `labels`
`index`     the labels of the rows, as in `indexes`
`attrs`     the frame's attrs in tagged JSON
`flags`     `{"allows_duplicate_labels": true}`
=========== ==========================================================================================
"""

from __future__ import annotations

from typing import Any

import msgspec

from runfolio.errors import DamageError, FormatError

__all__ = ["FOOTER_KEY", "VERSION", "decode_footer", "encode_footer"]

FOOTER_KEY = b"runfolio"
VERSION = 2
"""Of the footer: what a reader must know to restore a frame exactly. 1 was never released."""

KEYS = {"columns": list, "labels": dict, "index": dict, "attrs": dict, "flags": dict}


def encode_footer(content: dict[str, Any]) -> bytes:
    """Return the footer's bytes.

    >>> encode_footer({"columns": []})
    b'{"version":2,"columns":[]}'
    """
    return msgspec.json.encode({"version": VERSION, **content})


def decode_footer(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    """Return the footer that is in a file's metadata. Raises FormatError, or DamageError if it is none.

    >>> decode_footer({})
    Traceback (most recent call last):
    ...
    runfolio.errors.FormatError: the Parquet file was not written by runfolio; read it with pandas.read_parquet
    """
    text = (metadata or {}).get(FOOTER_KEY)
    if text is None:
        remedy = "read it with pandas.read_parquet"
        raise FormatError("the Parquet file was not written by runfolio", remedy=remedy)
    try:
        footer = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise DamageError(f"the frame's footer is no JSON: {error}") from error
    if not isinstance(footer, dict) or type(footer.get("version")) is not int:
        raise DamageError("the frame's footer has no version")
    if footer["version"] != VERSION:
        newer = footer["version"] > VERSION
        what = f"the frame is of format {footer['version']}, and this runfolio reads {VERSION}"
        raise FormatError(what, remedy="update runfolio" if newer else "store it again")
    for key, kind in KEYS.items():
        if type(footer.get(key)) is not kind:
            raise DamageError(f"the frame's footer has no {key}")
    return footer
