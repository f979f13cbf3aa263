"""Footers: the JSON under the key `runfolio` of a Parquet file's metadata, which tells how its content comes back.

A pandas frame has that of `runfolio.frames.footer`; a Series has beside it `series`, its name in tagged JSON. Others:

=========== ==========================================================================================
key         content
=========== ==========================================================================================
`version`   2, as of a frame; a reader refuses what it does not know
`kind`      `arrow`, `polars` or `stream`
`schema`    arrow, polars: the Arrow schema in base64, as in an Arrow IPC message; `types`: its types as text
`encoded`   arrow: the dictionaries of columns, by place; each an Arrow IPC stream in base64
`dtypes`    polars: the dtype of each column
`of`        stream: the kind of its tables: `pandas.DataFrame`, `pyarrow.Table`, ...
`forms`     stream: the footers that its tables would have, each different one once
`batches`   stream: for each table its `rows`, the place of its `form`, and for a frame its `index`
=========== ==========================================================================================

In a stream of frames a frame whose index is a range has nulls in the file where others have their index. A column of
nothing but nulls takes the type that it has elsewhere; `nulls` are the places of such.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runfolio.errors import DamageError, FormatError
from runfolio.frames.footer import FOOTER_KEY, VERSION, decode_footer

__all__ = ["FOOTER_KEY", "decode", "encode"]

_KEYS = {
    "arrow": {"schema": str, "types": list, "encoded": dict},
    "polars": {"schema": str, "types": list, "encoded": dict, "dtypes": list},
    "stream": {"of": str, "forms": list, "batches": list},
}


def encode(footer: dict[str, Any]) -> bytes:
    """The bytes of a footer."""
    return msgspec.json.encode({"version": VERSION, **footer})


def decode(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    """The footer of a file. Raises FormatError, DamageError."""
    text = (metadata or {}).get(FOOTER_KEY, b"")
    if b'"kind":' not in text[:40]:
        return decode_footer(metadata)
    try:
        footer = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise DamageError(f"the table's footer is no JSON: {error}") from error
    if not isinstance(footer, dict) or footer.get("version") != VERSION or footer.get("kind") not in _KEYS:
        what = f"the table is of format {footer.get('version')}, kind {footer.get('kind')}"
        raise FormatError(f"{what}, which this runfolio does not read", remedy="update runfolio")
    for key, kind in _KEYS[footer["kind"]].items():
        if type(footer.get(key)) is not kind:
            raise DamageError(f"the table's footer has no {key}")
    return footer
