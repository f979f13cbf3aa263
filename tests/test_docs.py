"""What README and docs show is what happens.

- ```python blocks of a page run in order, in one namespace.
- ```sh blocks of runs/README.md run in order; `cd` holds for those behind it. A block with `tail -F` is stopped as soon
  as it printed what is shown.
- ```console blocks of README and of pipelines.md, history.md, code.md, provenance.md and petsard.md in docs run in
  order; a line that begins with `$ ` is a command, the lines behind it are its output. Each block is one shell that
  begins in the repository's top folder.
- Blocks that need a package which is an extra of this one are skipped aloud where it is not installed.
- A ```yaml block is the file `pipeline.yaml` for the blocks behind it.
- ```sql blocks are run by DuckDB, those of docs/recipes.md by `runfolio.sql`, and its ```sh blocks in order; a row is
  shown with ` | ` between its values.
- A ```text block is what the block before it prints. `…` in shown output stands for any text.
- ```jsonl blocks are sound lines of a run folder.
- README's ```sh block makes a virtual environment: `.ci/run` takes its commands from there and runs them.

Field tables of docs/format.md are compared with the JSON Schemas, and the docstrings of all modules are run. What needs
a package that is not installed is skipped; `.ci/run` makes environments that have it.
"""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import io
import json
import os
import pkgutil
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pytest

import runfolio
from runfolio import Status, codec, heartbeat, jsonschema, layout, load_run, lock, values
from runfolio.frames import carriers
from runfolio.schema import parts_of
from runfolio.view import RunView

from .test_schemas import problems, record_every_kind

REPOSITORY = Path(__file__).parent.parent
EXAMPLE = "20261123T085921Z-penguins-cfy9"
README, RECIPES, FORMAT, PIPELINES = "README.md", "runs/README.md", "docs/format.md", "docs/pipelines.md"
QUERIES = "docs/recipes.md"
HISTORY, CODE, PROVENANCE, PETSARD = "docs/history.md", "docs/code.md", "docs/provenance.md", "docs/petsard.md"
NEEDED = {PETSARD: "petsard", "runfolio.integrations.petsard": "petsard"}
"""The package that a page or a docstring takes, where it is no dependency."""
PAGES = sorted({README, RECIPES, *(str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("docs/*.md"))})
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(runfolio.__path__, "runfolio.")
    if not module.name.endswith("__main__")
)


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, and the number of its first line."""

    language: str
    text: str
    line: int


def blocks_of(page: str) -> list[Block]:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    fences = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(fence[1], fence[2], text.count("\n", 0, fence.start()) + 2) for fence in fences]


def with_output(page: str) -> Iterator[tuple[Block, str | None]]:
    """The blocks of a page, each with the output that is shown for it."""
    blocks = blocks_of(page)
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block.language != "text":
            yield block, following.text if following and following.language == "text" else None


def is_shown(printed: str, shown: str) -> bool:
    """Whether this output is the one shown, in which `…` stands for any text."""
    pattern = ".*".join(map(re.escape, shown.split("…")))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


class Shell:
    """Runs commands by bash; remembers the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{commands}\nprintf '\\0%s' \"$PWD\""],
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), commands
        printed, _, folder = done.stdout.rpartition("\0")
        self.folder = Path(folder)
        return printed

    def run_until(self, command: str, shown: str) -> str:
        """Run a command that doesn't end, until it printed as many lines as are shown."""
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        timer = threading.Timer(30, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        with process:
            assert process.stdout is not None
            printed = "".join(line for _, line in zip(shown.splitlines(), process.stdout, strict=False))
            timer.cancel()
            os.killpg(process.pid, signal.SIGKILL)
        return printed


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"}


EXTRAS = {
    "dask": "import dask",
    "duckdb": r"runfolio sql",
    "sklearn": r"(?:from|import) (?:runfolio\.integrations\.)?sklearn",
    "kedro": r"(?:from|import) .*kedro|kedro run",
}
"""The packages that extras install, by what tells that a block needs them."""


def missing_for(text: str) -> list[str]:
    """The packages that this block or the name of a module needs, and that are not installed."""
    return [name for name, told in EXTRAS.items() if re.search(told, text) and find_spec(name) is None]


def need(*commands: str) -> None:
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")


def marked(names: list[str]) -> list[Any]:
    """The names as parameters of a test; what other packages warn of is no concern of ours."""
    mark = pytest.mark.filterwarnings("ignore")
    return [pytest.param(name, marks=mark) if name in (*NEEDED, QUERIES) else name for name in names]


def need_package(name: str) -> None:
    package = NEEDED.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'runfolio[{package}]'")


def make_example(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example run: the one in the repository, or a fresh one of the same name where that is not there yet."""
    folder = root / EXAMPLE
    if (REPOSITORY / "runs" / EXAMPLE).is_dir():
        return Path(shutil.copytree(REPOSITORY / "runs" / EXAMPLE, folder))
    with monkeypatch.context() as patch, redirect_stdout(io.StringIO()):
        patch.setattr(layout, "new_run_id", lambda *_: EXAMPLE)
        runpy.run_path(str(REPOSITORY / "examples" / "penguins.py"), run_name="__main__")
    return folder


@pytest.fixture
def checkout(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like a clone of the repository, as far as the pages need it, and the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEDRO_DISABLE_TELEMETRY", "1")
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    make_example(root, monkeypatch)
    return tmp_path


def run_python(block: Block, page: str, namespace: dict[str, Any]) -> str:
    """Run a block, whose errors name page and line."""
    code = compile("\n" * (block.line - 1) + block.text, page, "exec")
    with redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    return printed.getvalue()


def run_sql(query: str, page: str) -> str:
    if page == QUERIES:
        found = runfolio.sql(None, query)
        rows = found.astype(object).where(found.notna(), None).to_numpy().tolist()
    else:
        with duckdb.connect() as connection:
            rows = connection.sql(query).fetchall()
    return "".join(" | ".join(map(str, row)) + "\n" for row in rows)


def run_console(text: str, shell: Shell) -> None:
    """Run the commands of a block in one shell, and compare what each prints."""
    shown = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    printed = shell.run("\n".join(f"{command}\nprintf '\\f'" for command, _ in shown))
    for (command, output), found in zip(shown, printed.split("\f"), strict=False):
        assert is_shown(found, output), f"$ {command}\n{found}"


def test_blocks_of_all_pages_are_of_a_language_that_is_checked() -> None:
    languages = {page: {block.language for block in blocks_of(page)} for page in PAGES}
    assert languages[README] <= {"python", "console", "text", "sh"}
    assert languages[RECIPES] <= {"python", "sh", "sql", "text"}
    assert set().union(*languages.values()) <= {"python", "console", "text", "sh", "sql", "jsonl", "json", "yaml", ""}


@pytest.mark.parametrize("page", marked(PAGES))
def test_the_examples_of_a_page_do_what_it_shows(page: str, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_package(page)
    blocks = list(with_output(page))
    if page in (README, RECIPES, QUERIES):
        need("bash", "jq", "tail", "sha256sum")
    namespace: dict[str, Any] = {"__name__": "page"}
    shell = Shell(checkout)
    left_out: set[str] = set()
    for block, shown in blocks:
        if missing_for(block.text):
            left_out.update(missing_for(block.text))
            continue
        if block.language == "python":
            printed = run_python(block, page, namespace)
        elif block.language == "sql":
            printed = run_sql(block.text, page)
        elif block.language == "console" and page in (README, PIPELINES, HISTORY, CODE, PROVENANCE, PETSARD):
            run_console(block.text, Shell(checkout))
            continue
        elif block.language == "yaml":
            (checkout / "pipeline.yaml").write_text(block.text, encoding="utf-8")
            continue
        elif (page, block.language) == (RECIPES, "sh") and "-F" in block.text and shown is not None:
            printed = shell.run_until(block.text, shown)
        elif (page, block.language) in ((RECIPES, "sh"), (QUERIES, "sh")):
            printed = shell.run(block.text)
            monkeypatch.chdir(shell.folder)
        else:
            continue
        assert shown is None or is_shown(printed, shown), f"{page}, line {block.line} printed:\n{printed}"
    if left_out:
        pytest.skip(f"all but the blocks that need {', '.join(sorted(left_out))}, which is not installed")


def test_the_two_commands_are_those_that_ci_runs() -> None:
    (commands,) = (block.text for block in blocks_of(README) if block.language == "sh")
    text = (REPOSITORY / README).read_text(encoding="utf-8")
    assert re.findall(r"^python3 -m venv .*\n", text, re.MULTILINE) == commands.splitlines(keepends=True)
    assert len(commands.splitlines()) == 2
    assert "grep -E '^python3 -m venv ' README.md" in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_links_to_files_lead_somewhere(page: str) -> None:
    path = REPOSITORY / page
    targets = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


# ------------------------------------------------------------------------------------------- docs/format.md


def sample_lines() -> list[str]:
    return [line for block in blocks_of(FORMAT) if block.language == "jsonl" for line in block.text.splitlines()]


def test_there_is_a_sample_of_each_kind_of_line_and_event() -> None:
    lines = [json.loads(line) for line in sample_lines()]
    assert {line["kind"] for line in lines} == set(jsonschema.TYPES)
    events = [line["type"] for line in lines if line["kind"] == "event"]
    assert events == ["segment", "state", "step", "log", "progress", "restore", "state", "config", "input"]


@pytest.mark.parametrize("line", sample_lines(), ids=lambda line: line[:30])
def test_the_sample_lines_are_sound_and_conform(line: str) -> None:
    fields = json.loads(line)
    codec.check(line.encode())
    assert problems(fields["kind"], fields) == []


def test_the_sample_of_a_checksum_is_one_that_a_line_of_other_content_has_not() -> None:
    (block,) = (block for block in blocks_of(FORMAT) if block.text.startswith("from zlib"))
    run_python(block, FORMAT, {})
    with pytest.raises(AssertionError):
        run_python(block._replace(text=block.text.replace('51727cf9"}\\n', '51727cf8"}\\n')), FORMAT, {})


def tables_of(page: str) -> Iterator[tuple[str, list[list[str]]]]:
    """The heading above each table of a page, its header included, and its rows."""
    heading = ""
    for part in re.split(r"\n\n+", (REPOSITORY / page).read_text(encoding="utf-8")):
        if part.startswith("#"):
            heading = part
        if part.startswith("|"):
            rows = [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in part.splitlines()]
            yield f"{heading} {rows[0][0]}", rows[2:]


STRUCTURES = {
    "METADATA": "SchemaRefs",
    "DESCRIPTION": "Description",
    "PATHSTEP": "PathStep",
    "PART": "Part",
    "FIELD": "Field",
    "STATISTICS": "Statistics",
    "CONTINUED": "Continued",
    "FAILURE": "Failure",
    "TOTALS": "Totals",
    "SEGMENT": "Segment",
    "VERSION": "Version",
    "PLANNED": "Planned",
    "PROVENANCE": "Provenance",
    "REPOSITORY": "Repository",
    "CONFIGURATION": "Configuration",
    "INPUT": "Input",
    "SEED": "Seed",
    "FINDING": "Finding",
    "RECORDED": "Recorded",
}


def spelled(field: dict[str, Any]) -> str:
    """The type of a field as docs/format.md spells it, from its JSON Schema."""
    if "anyOf" in field:
        first, null = field["anyOf"]
        assert null == {"type": "null"}
        return f"{spelled(first)}?"
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return next(capitals for capitals, title in STRUCTURES.items() if title == name)
    if "enum" in field:
        return "text"
    if field["type"] == "array":
        return f"list of {spelled(field['items'])}"
    if field["type"] == "string":
        return "time" if field.get("format") == "date-time" else "text"
    return str(field["type"])


def fields_of(schema: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, spelled(field)) for name, field in schema["properties"].items()]


FIELD_TABLES = [
    ("## 5. Several writers field of the header", jsonschema.generate("event")["$defs"]["Header"]),
    ("### 6.1 Snapshots field", jsonschema.generate("snapshot")),
    ("### 6.2 Changes field", jsonschema.generate("change")),
    ("### 6.2 Changes field of DESCRIPTION", jsonschema.generate("change")["$defs"]["Description"]),
    ("### 6.3 Timings field", jsonschema.generate("timing")),
    ("### 6.4 Results field", jsonschema.generate("result")),
    ("### 6.4 Results field of PART", jsonschema.generate("result")["$defs"]["Part"]),
    ("### 6.5 Schemas field", jsonschema.generate("schema")),
    ("### 6.5 Schemas field of FIELD", jsonschema.generate("schema")["$defs"]["Field"]),
    ("### 6.5 Schemas field of STATISTICS", jsonschema.generate("schema")["$defs"]["Statistics"]),
    ("### 6.6 Events field", jsonschema.generate("event")),
    ("### 6.6 Events field of PROVENANCE", jsonschema.generate("event")["$defs"]["Provenance"]),
    ("### 6.6 Events field of a configuration", jsonschema.generate("event")["$defs"]["Configured"]),
    ("### 6.6 Events field of an input", jsonschema.generate("event")["$defs"]["Input"]),
    ("### 6.6 Events field of a loss", jsonschema.generate("event")["$defs"]["Lost"]),
    ("### 6.6 Events field of a repair", jsonschema.generate("event")["$defs"]["Repair"]),
    ("### 6.6 Events field of an amendment", jsonschema.generate("event")["$defs"]["Amendment"]),
    ("### 6.6 Events field of a redaction", jsonschema.generate("event")["$defs"]["Redaction"]),
    ("### 6.6 Events field of a pruning", jsonschema.generate("event")["$defs"]["Pruned"]),
    ("## 11. run.json field", jsonschema.generate("run")),
]


@pytest.mark.parametrize(("title", "schema"), FIELD_TABLES, ids=[title for title, _ in FIELD_TABLES])
def test_a_table_of_fields_has_the_names_order_and_types_that_are_on_disk(title: str, schema: dict[str, Any]) -> None:
    (rows,) = (rows for found, rows in tables_of(FORMAT) if found == title)
    assert [(name, kind) for name, kind, _ in rows] == fields_of(schema)


def test_the_smaller_structures_are_described_with_all_their_fields() -> None:
    text = (REPOSITORY / FORMAT).read_text(encoding="utf-8")
    definitions: dict[str, Any] = {}
    for kind in jsonschema.TYPES:
        definitions |= jsonschema.generate(kind).get("$defs", {})
    for capitals, title in STRUCTURES.items():
        described = re.search(rf"\b{capitals}\s+has\b.*?\n\n(\|.*?\n\n)?", text, re.DOTALL)
        assert described is not None, capitals
        names = set(definitions[title]["properties"])
        assert names <= set(re.findall(r"`(\w+)`", described[0])), capitals


def test_the_table_of_the_normal_form_is_that_of_the_module() -> None:
    lines = (values.__doc__ or "").splitlines()
    (_, first, last) = [number for number, line in enumerate(lines) if line.startswith("====")]
    rows = [re.split(r"\s{2,}", line) for line in lines[first + 1 : last]]
    (shown,) = (rows for title, rows in tables_of(FORMAT) if title.endswith("a value in Python"))
    assert [[cell.replace("`", "") for cell in row] for row in shown] == [
        [cell.replace("`", "") for cell in row] for row in rows
    ]


def test_the_limits_are_those_of_the_code() -> None:
    text = (REPOSITORY / FORMAT).read_text(encoding="utf-8")
    assert f"| {codec.MAX_LINE:,} bytes;" in text
    assert f"| {values.MAX_DEPTH} levels, itself included |" in text
    assert f"every {heartbeat.HEARTBEAT_SECONDS:.0f} seconds" in " ".join(text.split())
    assert f"less than {lock.SILENCE_SECONDS:.0f} seconds old" in " ".join(text.split())


def test_the_lock_file_is_as_a_writer_writes_it(status: Status) -> None:
    assert status.folder is not None
    written = json.loads((status.folder / "main.lock").read_text(encoding="utf-8"))
    (rows,) = (rows for title, rows in tables_of(FORMAT) if title == "## 9. States field")
    (sample,) = (block.text for block in blocks_of(FORMAT) if block.language == "json")
    assert list(written) == [name for name, *_ in rows] == list(json.loads(sample))


def test_every_form_of_a_column_is_in_the_table() -> None:
    (rows,) = (rows for title, rows in tables_of(FORMAT) if title.endswith(" form"))
    assert {form for form, *_ in rows} == carriers.RESTORE.keys()


# -------------------------------------------------------------------------------------------------- README


def test_the_table_of_getters_has_them_all() -> None:
    (rows,) = (rows for title, rows in tables_of(README) if title.endswith(" getter"))
    shown = {name for getters, _ in rows for name in re.findall(r"(?:^|[` ])(\w+)(?=[`(,]|$)", getters)}
    assert {name for name in dir(RunView) if not name.startswith("_")} == shown


def test_the_reader_that_the_page_shows_finds_what_runfolio_finds(root: Path, people: pd.DataFrame) -> None:
    (block,) = (block for block in blocks_of(FORMAT) if "def lines_of" in block.text)
    reader: dict[str, Any] = {}
    run_python(block, FORMAT, reader)
    folder = record_every_kind(root, people)
    run = load_run(folder)
    lines = reader["lines_of"](folder)
    for kind, noun, records in [
        ("snapshot", "snapshot_id", run.snapshots),
        ("change", "change_id", run.changes),
        ("timing", "record_id", run.timing_records),
        ("event", "event_id", run.events),
    ]:
        assert [line[noun] for line in lines if line["kind"] == kind] == [record[noun] for record in records]
    results, metadata = reader["standing_of"](lines)
    stored = {key: [part.file for part in result.record.parts] for key, result in run.results.items()}
    assert results == stored
    for module, ids in metadata.items():
        assert ids is None or ids == [schema.schema_id for _, schema in parts_of(run.get_metadata(module))]
    assert len({line["seq"] for line in lines}) < len(lines), "there is one writer only"
    assert len(results) < sum(line["kind"] == "result" for line in lines), "there is no restore"


# ----------------------------------------------------------------------------------------------- docstrings


@pytest.mark.parametrize("name", marked(MODULES))
def test_the_examples_in_a_modules_docstrings_are_true(name: str, root: Path, request: pytest.FixtureRequest) -> None:
    if missing := missing_for(f"import {name}"):
        pytest.skip(f"not installed: {', '.join(missing)}")
    if name in NEEDED:
        need_package(name)
        request.getfixturevalue("checkout")
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs={"root": root}, verbose=False)
    assert failed == 0


def test_there_are_examples_in_docstrings() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [
        test
        for name in MODULES
        if not missing_for(f"import {name}")
        for test in finder.find(importlib.import_module(name))
        if test.examples
    ]
    assert len(examples) > 20
