"""What a callable's parameters are annotated with, where text in a configuration stands for a file.

The Executor resolves such a path against the folder of the configuration, and hands the callable a `Path`:

- of an `InputFile`, it checks that the file is there before anything runs, and records its size and digest;
- of an `OutputFile`, it fills in `{Module}` by the experiment's name, and checks that no two steps write the same file.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated


class FileKind(Enum):
    """What a parameter's file is for."""

    INPUT = "input"
    OUTPUT = "output"


INPUT, OUTPUT = FileKind.INPUT, FileKind.OUTPUT

InputFile = Annotated[Path, INPUT]
"""A file to read."""

OutputFile = Annotated[Path, OUTPUT]
"""A file to write, or to write anew."""
