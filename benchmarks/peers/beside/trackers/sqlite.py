"""The standard library's SQLite: write-ahead log, a commit for each record."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from beside import reasons
from beside.trackers import RECORD

TITLE = "SQLite, WAL"
REQUIRES = ("pandas", "pyarrow")
SHOWN: tuple[str, ...] = ()
IMPORTS = ("pandas.io.sql",)
CALLS = {
    "log": "`INSERT` of a line of JSON and a commit; `journal_mode=WAL`, `synchronous=NORMAL`",
    "store": "`frame.to_sql`; `pandas.read_sql`",
    "load": "`SELECT` over a table of runs; `SELECT` of all records, `json.loads` of each",
    "follow": "`SELECT count(*)`, as fast as it goes",
}
CANNOT: dict[str, str] = {}
AHEAD = {"table": reasons.DATABASE, "records": reasons.DATABASE, "follow": reasons.SPINNING}
FILE = "runs.sqlite"


class Session:
    """A connection and the number of a run."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection, self._number = connection, number

    def log(self, number: int) -> None:
        """A row, committed."""
        line = json.dumps({**RECORD, "change_id": number})
        self._connection.execute("INSERT INTO records VALUES (?, ?)", (self._number, line))
        self._connection.commit()

    def store(self, key: str, frame: Any) -> None:
        """A table of its own."""
        frame.to_sql(key, self._connection, index=False)
        self._connection.commit()


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """A run in the one database."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, name TEXT, state TEXT)")
        connection.execute("CREATE TABLE IF NOT EXISTS records (run INTEGER, line TEXT)")
        connection.execute("INSERT INTO runs VALUES (?, 'peer', 'in_progress')", (number,))
        connection.commit()
        body(Session(connection, number))
        connection.execute("UPDATE runs SET state = 'completed' WHERE run = ?", (number,))
        connection.commit()


def count(folder: Path) -> int:
    """Rows that are committed."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])


def fetch(folder: Path, key: str) -> Any:
    """The table as pandas reads it."""
    import pandas as pd

    with closing(sqlite3.connect(folder / FILE)) as connection:
        return pd.read_sql(f'SELECT * FROM "{key}"', connection)


def table(folder: Path) -> int:
    """All rows of the table of runs."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return len(connection.execute("SELECT * FROM runs").fetchall())


def records(folder: Path) -> int:
    """All records, decoded."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return len([json.loads(line) for (line,) in connection.execute("SELECT line FROM records")])
