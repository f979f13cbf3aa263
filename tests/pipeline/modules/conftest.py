"""What the built-in modules give can be stored, and comes back as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runfolio import Status, load_run


@pytest.fixture
def stored() -> Callable[[Any], Any]:
    """Store data in a run of its own, and give back what is read from there, which has to be the same."""

    def store(data: Any) -> Any:
        with Status() as status:
            with status.step("Module", "a") as step:
                step.result(data)
        found = load_run(status.folder).results["Module[a]"]["data"]
        parts, same = (found, data) if isinstance(data, dict) else ({"": found}, {"": data})
        assert list(parts) == list(same)
        for name, part in parts.items():
            pd.testing.assert_frame_equal(part, same[name])
        return found

    return store


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Write a file of this name."""

    def put(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return put
