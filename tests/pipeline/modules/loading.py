"""Files for the Loader, and what becomes of them in a run."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from runfolio import Executor, load_run
from runfolio.errors import InputError

CSV = b"name,age\nAda,36\nBob,41\n"


def zipped(*names: str, data: bytes = CSV) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return file.getvalue()


def made(suffix: str) -> bytes:
    file = io.BytesIO()
    frame = pd.DataFrame({"age": range(1000)})
    frame.to_parquet(file) if suffix == ".parquet" else frame.to_excel(file, index=False)
    return file.getvalue()


PARQUET, EXCEL = made(".parquet"), made(".xlsx")


def load(path: Path, **options: object) -> pd.DataFrame:
    """The table as a run gives it, which is also what is read from the run's folder."""
    executor = Executor({"Loader": {"a": {"path": str(path), **options}}})
    executor.run()
    found = load_run(executor.status.folder).results["Loader[a]"]["data"]
    pd.testing.assert_frame_equal(found, executor.get_result()["Loader[a]"]["data"])
    return found


def refused(path: Path, **options: object) -> InputError:
    """The error of a run; the file and a remedy are in it."""
    with pytest.raises(InputError) as caught:
        load(path, **options)
    error = caught.value
    assert error.file == str(path) and str(path) in str(error) and error.remedy
    return error
