"""MLflow with its store of SQLite, its default."""

from __future__ import annotations

from beside import reasons
from beside.trackers.mlflows import CALLS, IMPORTS, REQUIRES, SHOWN, Store

__all__ = [
    "AHEAD",
    "CALLS",
    "CANNOT",
    "IMPORTS",
    "REQUIRES",
    "SHOWN",
    "TITLE",
    "count",
    "fetch",
    "make",
    "records",
    "session",
    "table",
]

TITLE = "MLflow, SQLite"
CANNOT: dict[str, str] = {}
AHEAD = {"store": reasons.PLAIN, "large": reasons.PLAIN}

_store = Store("sqlite:///{}/mlflow.db")
session, make, count, fetch = _store.session, _store.make, _store.count, _store.fetch
table, records = _store.table, _store.records
