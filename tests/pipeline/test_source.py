"""Configurations as trees: paths, YAML text and dicts, and what can be wrong with them as such."""

from __future__ import annotations

import os
import string
import time
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runfolio import Executor
from runfolio.errors import ConfigError, RunfolioError
from runfolio.pipeline import source as source_of_trees
from runfolio.pipeline.grammar import parse
from runfolio.pipeline.plan import plan
from runfolio.pipeline.source import MAX_BYTES, MAX_DEPTH, MAX_NODES, Source, closest, nearest, read

from ..users import as_another_user

VALID = """\
# Penguins, by night.
Run: {name: grid, tags: [a, b], on_error: continue}
Loader: &loaders
  raw: {method: "json:loads", s: &text '[1, 2]'}  # the first
  1e3: {method: json:loads, s: *text, parse_int: 3}
Next:
  <<: *loaders
  no:
    - {method: json:dumps, indent: 2}
    - method: textwrap:dedent
  long:
    method: json:loads
    s: |
      [1,
       2]
Last:
  x: {method: random:randint, a: 1, b: 2}
"""


def problems_of(config: object) -> tuple[str, ...]:
    """What an Executor finds wrong, each on one line."""
    with pytest.raises(ConfigError) as caught:
        Executor(config)
    problems = caught.value.problems
    assert all("\n" not in problem and problem.isprintable() for problem in problems)
    assert str(caught.value).encode()
    return problems


def values(source: Source) -> object:
    source.problems.raise_any()
    return source.root.value


def of(text: str) -> object:
    """What YAML gives for one parameter."""
    source = read(f"M: {{e: {{p: {text}}}}}")
    source.problems.raise_any()
    return source.root.entries["M"].entries["e"].entries["p"].value


class TestForms:
    TEXT = "L:\n  a: {method: 'json:loads', s: '1'}\n"

    def test_a_path_yaml_text_and_a_dict_say_the_same(self, tmp_path):
        (tmp_path / "p.yaml").write_text(self.TEXT)
        tree = {"L": {"a": {"method": "json:loads", "s": "1"}}}
        forms = [self.TEXT, tmp_path / "p.yaml", str(tmp_path / "p.yaml"), tree, MappingProxyType(tree)]
        assert [values(read(form)) for form in forms] == [tree] * 5
        assert [len(Executor(form).plan) for form in forms] == [1] * 5

    @pytest.mark.parametrize("config", [None, 3, [], b"a: b", {1, 2}, object(), Executor], ids=repr)
    def test_anything_else_is_refused(self, config):
        with pytest.raises(ConfigError, match="configuration is of type .*\npass a path, YAML text or a dict"):
            Executor(config)

    def test_paths_start_from_the_files_folder_or_the_current_one(self, tmp_path, monkeypatch):
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "p.yaml").write_text(self.TEXT)
        monkeypatch.chdir(tmp_path)
        assert read("sub/p.yaml").base == tmp_path / "sub"
        assert read("sub/../sub/p.yaml").base == tmp_path / "sub"
        assert read(self.TEXT).base == read({}).base == tmp_path

    def test_a_link_to_a_file_is_fine_and_paths_start_from_the_links_folder(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "p.yaml").write_text(self.TEXT)
        (tmp_path / "link.yaml").symlink_to("a/p.yaml")
        assert read(tmp_path / "link.yaml").base == tmp_path

    @pytest.mark.parametrize("mark", ["\ufeff", ""])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_a_byte_order_mark_and_any_end_of_line(self, tmp_path, mark, end):
        (tmp_path / "p.yaml").write_bytes((mark + self.TEXT.replace("\n", end)).encode())
        assert values(read(tmp_path / "p.yaml")) == values(read(self.TEXT))
        assert values(read(mark + self.TEXT.replace("\n", end))) == values(read(self.TEXT))

    def test_a_current_folder_that_is_gone_is_told(self, tmp_path, monkeypatch):
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        for config in ({}, self.TEXT):
            with pytest.raises(ConfigError, match="the current folder can't be told"):
                Executor(config)
        monkeypatch.chdir(tmp_path)


class TestFiles:
    def refusal(self, path: object) -> str:
        with pytest.raises(ConfigError) as caught:
            Executor(path)
        return str(caught.value)

    def test_one_that_is_missing_names_the_nearest(self, tmp_path):
        (tmp_path / "pipeline.yaml").write_text("")
        assert self.refusal(tmp_path / "pipelin.yml").splitlines() == [
            f"the configuration {tmp_path}/pipelin.yml can't be read: there is no such file",
            "did you mean 'pipeline.yaml'?",
        ]
        assert self.refusal("Loader").endswith("no such file\nname a YAML file, or pass YAML text or a dict")

    def test_what_is_no_file(self, tmp_path):
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "loop").symlink_to("loop")
        assert "can't be read: it is a folder" in self.refusal(tmp_path)
        assert "can't be read: it is no regular file" in self.refusal(tmp_path / "fifo")
        assert "can't be read: it is no regular file" in self.refusal("/dev/zero")
        assert "can't be read: " in self.refusal(tmp_path / "loop")
        assert "can't be read: File name too long" in self.refusal("x" * 5000)
        assert len(self.refusal("x" * 500_000)) < 1000
        assert "can't be read: " in self.refusal("a\0b")
        assert "that no file name can have" in self.refusal("\ud800")

    def test_one_without_permission(self, tmp_path):
        path = Path("/tmp") / f"closed-{os.getpid()}.yaml"
        path.write_text("a: b")
        path.chmod(0)
        try:
            with as_another_user():
                assert "can't be read: Permission denied" in self.refusal(path)
        finally:
            path.unlink()

    def test_one_that_is_larger_than_the_limit_is_not_read(self, tmp_path):
        with (tmp_path / "p.yaml").open("wb") as file:
            file.truncate(MAX_BYTES * 1000)
        start = time.perf_counter()
        assert f"has more than {MAX_BYTES:,} bytes" in self.refusal(tmp_path / "p.yaml")
        assert time.perf_counter() - start < 1
        assert "has more than 16,777,216 characters" in self.refusal("# \n" * 6_000_000)

    def test_one_that_is_not_utf_8_names_the_line(self, tmp_path):
        (tmp_path / "p.yaml").write_bytes(b"a: b\nc: \xe4\n")
        assert self.refusal(tmp_path / "p.yaml") == (
            f"the configuration {tmp_path}/p.yaml is no text:\n  line 2: byte 0xe4 is not UTF-8\nsave it as UTF-8"
        )
        (tmp_path / "p.yaml").write_bytes("a: b".encode("utf-16"))
        assert "line 1: byte 0xff is not UTF-8" in self.refusal(tmp_path / "p.yaml")

    def test_problems_of_a_file_name_it(self, tmp_path):
        (tmp_path / "p.yaml").write_text("L: 3")
        with pytest.raises(
            ConfigError, match=r"p\.yaml has one problem, and nothing was run:\n  line 1, col"
        ) as caught:
            Executor(tmp_path / "p.yaml")
        assert caught.value.file == str(tmp_path / "p.yaml")


class TestYaml:
    SYNTAX = {
        "a tab that indents": ("a:\n\tb: 1", "line 2, column 1: no valid YAML: a tab; indent by blanks"),
        "a bracket that is not closed": ("a: [1", "line 1, column 6: no valid YAML: while parsing a flow sequence"),
        "a brace that is not closed": ("a: {b: 1\nc: 2", "line 2, column 2: no valid YAML: "),
        "a quote that is not closed": ('a: "b\n', "line 2, column 1: no valid YAML: while scanning a quoted scalar"),
        "a colon in text": ("a: b: c", "line 1, column 5: no valid YAML: a colon where no name can end"),
        "a control character": ("a: b\nb: x\x07y", "line 2, column 5: no valid YAML: the character '\\x07' is not"),
        "a null character": ("a:\r\n  b\0: 1", "line 2, column 4: no valid YAML: the character '\\x00' is not"),
        "a lone surrogate": ("a: \ud800", "line 1, column 4: no valid YAML: the character '\\ud800' is not"),
        "several documents": ("a: {}\n---\nb: {}", "line 2, column 1: no valid YAML: a second document begins"),
        "an unknown alias": ("a: *b", "line 1, column 4: no valid YAML: found undefined alias 'b'"),
        "an unknown tag": ("a: {b: !x 1}", "line 1, column 8: a → b: no valid YAML: the tag '!x' has no meaning here"),
        "an unknown tag of a mapping": ("a: !x {b: 1}", "line 1, column 4: a: no valid YAML: the tag '!x' has no"),
        "a set": ("a: {b: {c: !!set {d, e}}}", "a → b → c: no valid YAML: the tag '!!set' has no meaning here"),
        "a mapping's tag on text": ("a: {b: {c: !!map d}}", "a → b → c: no valid YAML: the tag '!!map' has no"),
        "a key that is a list": ("? [a]\n: b", "line 1, column 3: a name is text, not a list or a mapping"),
        "merging what is no mapping": ("a: {<<: 3}", "line 1, column 5: a: << takes a mapping, or a list of mappings"),
        "an escape beyond unicode": ('a: "\\UFFFFFFFF"', "no valid YAML: "),
        "a day that is none": (
            "a: {b: {c: 2024-13-45}}",
            "line 1, column 12: a → b → c: '2024-13-45' is no date or time",
        ),
        "too many digits": (f"a: {{b: {{c: {'9' * 5000}}}}}", "is no whole number; put text in quotes"),
        "no boolean": (
            "a: {b: {c: !!bool perhaps}}",
            "a → b → c: 'perhaps' is neither true nor false; put text in quotes",
        ),
        "no time": ("a: {b: {c: !!timestamp noon}}", "a → b → c: 'noon' is no date or time; put text in quotes"),
        "no number": ("a: {b: {c: !!int ''}}", "a → b → c: '' is no whole number"),
        "no base64": ("a: {b: {c: !!binary é}}", "line 1, column 12: a → b → c: no valid YAML: "),
    }

    @pytest.mark.parametrize("case", SYNTAX)
    def test_what_is_no_yaml_is_told_by_line_and_column(self, case):
        text, told = self.SYNTAX[case]
        found = problems_of(text)
        assert any(told in problem for problem in found), found

    @pytest.mark.parametrize(
        "text", ["", " ", "\n\n", "# only\n# comments\n", "---\n", "--- \n...\n", "~\n", "{}\n", "[]\n"]
    )
    def test_an_empty_configuration_declares_no_module(self, text):
        (problem,) = problems_of(text)
        assert problem.endswith("it declares no module")

    def test_text_of_one_line_is_yaml_by_its_colon(self):
        assert problems_of("Loader:") == ("line 1, column 1: Loader: the module has no experiment",)
        assert problems_of("L: {}") == ("line 1, column 4: L: the module has no experiment",)

    def test_an_empty_file(self, tmp_path):
        (tmp_path / "p.yaml").touch()
        assert problems_of(tmp_path / "p.yaml") == ("it declares no module",)

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1e3", 1000.0), ("-1.5E-3", -0.0015), (".5e1", 5.0), ("1.e2", 100.0), ("1e3x", "1e3x"), ("e3", "e3"),
            ("0x1F", 31), ("1_000", 1000), ("no", False), ("'no'", "no"), ("~", None), ("", None), ("=", "="),
            ("<<", "<<"), (".nan", pytest.approx(float("nan"), nan_ok=True)), ("-.inf", float("-inf")),
            ("1e400", float("inf")), ("9" * 400, int("9" * 400)), ('"\\u00e9\\n"', "é\n"), ("!!str 1", "1"),
            ("!!python", None),
        ][:-1],
    )  # fmt: skip
    def test_values(self, text, value):
        found = of(text)
        assert found == value and type(found) is type(getattr(value, "expected", value))

    NAMES = ["no", "on", "1", "1e3", "0x1", "2024-01-01", "2024-13-45", "null", "~", "true", "=", "a/b", "[x]", "../..",
             "é", "日本", "🐧", "a b", "a: b", "{Loader}", "x\ny", "\x00", "'", '"', "#", "-", "Runs",
             "9" * 5000]  # fmt: skip

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:20]))
    def test_names_are_text_as_they_are_written(self, name):
        plain = name.isprintable() and not set(name) & set("[{'\"#&:\n") and name != "-"
        for written in filter(None, [name if plain else "", json_text(name)]):
            tree = {"Loader": {name: {"method": "json:loads", "s": "1"}}, name: {name: {"method": "json:dumps"}}}
            loader = f"Loader:\n  ? {written}\n  : {{method: 'json:loads', s: '1'}}\n"
            text = f"{loader}? {written}\n: ? {written}\n  : method: json:dumps\n"
            for config in (text, tree):
                source = read(config)
                steps = plan(parse(source), source.problems)
                source.problems.raise_any()
                assert [step.experiment_name for step in steps] == [name, name]
                assert [step.module_name for step in steps] == ["Loader", name]

    def test_names_below_a_parameter_are_values_of_their_own(self):
        assert of("{1: a, 2024-01-01: b, no: c, x: d}") == {
            1: "a",
            yaml.safe_load("2024-01-01"): "b",
            False: "c",
            "x": "d",
        }


def json_text(text: str) -> str:
    return '"' + "".join(char if char.isalnum() else f"\\U{ord(char):08x}" for char in text) + '"'


class TestTwins:
    """What stands twice, which YAML lets pass."""

    CASES = {
        "a module": ("a: {x: {}}\nb: {}\na: {}", "line 3, column 1: a: it is in line 1 already"),
        "an experiment": ("a:\n  x: 1\n  y: 2\n  x: 3", "line 4, column 3: a → x: it is in line 2 already"),
        "a parameter": ("a:\n  x:\n    p: 1\n    p: 1", "line 4, column 5: a → x → p: it is in line 3 already"),
        "in a flow mapping": ("a: {x: {p: 1, q: 2, p: 3}}", "line 1, column 21: a → x → p: it is in line 1 already"),
        "deep in a value": ("a: {x: {p: [{q: {r: 1, r: 2}}]}}", "a → x → p → q → r: it is in line 1 already"),
        "in a list of calls": ("a:\n  x:\n  - {p: 1, p: 2}", "line 3, column 12: a → x → p: it is in line 3 already"),
        "a setting": ("Run: {name: a, name: b}", "Run → name: it is in line 1 already"),
        "a number and its text": ('a: {x: {p: {1: 2, "1": 3}}}', "a → x → p → 1: it is in line 1 already"),
        "one value in two spellings": ("a: {x: {p: {1: 2,\n true: 3}}}",
        "line 2, column 2: a → x → p → true: it is the same"),
        "hexadecimal": ("a: {x: {p: {16: 2, 0x10: 3}}}", "a → x → p → 0x10: it is the same as the name in line 1"),
        "beside a merge": ("b: &b {x: {}}\na: {<<: *b, y: 1, y: 2}",
        "line 2, column 19: a → y: it is in line 2 already"),
    }  # fmt: skip

    @pytest.mark.parametrize("case", CASES)
    def test_in_yaml(self, case):
        text, told = self.CASES[case]
        assert any(problem.startswith(told) or told in problem for problem in problems_of(text))

    @pytest.mark.parametrize(
        ("config", "place"),
        [
            ({1: {}, "1": {}}, ""),
            ({"a": {1: {}, "1": {}}}, "a: "),
            ({"a": {"x": {None: 1, "None": 2}}}, "a → x: "),
            ({"a": {"x": {"p": {True: 1, "True": 2}}}}, "a → x → p: "),
            ({"a": {"x": {"p": [{np.int64(1): 1, "1": 2}]}}}, "a → x → p: "),
        ],
        ids=repr,
    )
    def test_in_a_dict(self, config, place):
        assert any(problem.startswith(f"{place}two names are the same text") for problem in problems_of(config))

    def test_one_that_is_merged_may_be_given_anew(self):
        source = read("a: &a {x: {p: 1, q: 2}}\nb: {<<: *a, x: {p: 3}}\nc: {<<: [{x: {p: 4}}, *a], y: 1}")
        assert values(source) == {
            "a": {"x": {"p": 1, "q": 2}},
            "b": {"x": {"p": 3}},
            "c": {"x": {"p": 4}, "y": 1},
        }
        assert values(read(VALID)) == yaml.safe_load(VALID.replace("no:", "'no':").replace("1e3:", "'1e3':"))


class TestTooMuch:
    LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]\n" for one, two in zip("abcdefghijk", "bcdefghijkl", strict=True)
    )
    MERGES = "a: &a {one: 1, two: 2}\n" + "".join(
        f"{two}: &{two} {{<<: [{', '.join([f'*{one}'] * 9)}], {two}: 1}}\n"
        for one, two in zip("abcdefghijk", "bcdefghijkl", strict=True)
    )

    def quickly(self, config: object) -> tuple[str, ...]:
        tracemalloc.start()
        start = time.perf_counter()
        try:
            return problems_of(config)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert time.perf_counter() - start < 10 and peak < 50e6

    @pytest.fixture(autouse=True)
    def lower_limit(self, monkeypatch):
        """A tenth of the limit shows the same, and sooner."""
        assert MAX_NODES == 100_000
        monkeypatch.setattr(source_of_trees, "MAX_NODES", 10_000)

    def test_a_billion_laughs(self):
        (problem,) = self.quickly(self.LAUGHS)
        assert problem == "it has more than 100,000 parts; leave what is large in a file of its own"

    def test_a_billion_laughs_in_a_dict(self):
        laughs: list = ["x"] * 9
        for _ in range(12):
            laughs = [laughs] * 9
        assert self.quickly({"a": {"x": {"p": laughs}}})[0].startswith("it has more than 100,000 parts")

    def test_a_billion_merges_are_a_few_names(self):
        source = read(self.MERGES)
        assert list(source.root.entries["l"].entries) == ["one", "two", *"bcdefghijkl"]

    def test_a_long_list_is_refused_before_all_of_it_is_read(self):
        (problem,) = self.quickly("a: [" + "1," * 100_000 + "1]")
        assert problem.startswith("line 1, column 20") and "it has more than 100,000 parts" in problem

    @pytest.mark.parametrize(
        "text",
        ["a: " + "[" * 10_000, "a: " + "{x: " * 10_000, "- " * 10_000 + "x: ", "a: " + "[" * 70 + "]" * 70],
        ids=["brackets", "braces", "dashes", "a little too deep"],
    )
    def test_deep_nesting(self, text):
        (problem,) = problems_of(text)
        assert problem.startswith("line 1, column ")
        assert problem.endswith(f"it is nested more than {MAX_DEPTH} levels deep")

    def test_deep_nesting_in_a_dict(self):
        deep: object = 1
        for _ in range(100_000):
            deep = {"x": deep}
        (*_, problem) = problems_of({"a": deep})
        assert problem == "a → x → x → x → x → x → x → …: it is nested more than 64 levels deep"
        while isinstance(deep, dict):  # one by one: Python's own way of letting go of it is recursive
            deep = deep["x"]

    def test_aliases_can_make_it_deep(self):
        chain = "".join(f"- &a{number} [*a{number - 1}]\n" for number in range(1, 100))
        assert any(
            "it is nested more than 64 levels deep" in problem for problem in problems_of(f"a:\n- &a0 [x]\n{chain}")
        )

    def test_circles(self):
        circle: dict = {"method": "json:loads"}
        circle["s"] = [circle]
        assert "a → x → s: it contains itself" in problems_of({"a": {"x": circle}})
        assert "line 1, column 4: a → x: it contains itself" in problems_of("a: &a {x: *a}")
        assert "line 1, column 4: a: it contains itself" in problems_of("a: &a [*a]")
        assert list(read("a: &a {<<: *a, y: 1}").root.entries["a"].entries) == ["y"]

    def test_the_same_part_twice_is_no_circle(self):
        part = {"method": "json:loads", "s": "1"}
        assert len(Executor({"a": {"x": part, "y": part}}).plan) == 2
        assert len(Executor("a: {x: &x {method: 'json:loads', s: '1'}, y: *x}").plan) == 2


class TestHostile:
    @pytest.mark.parametrize(
        "tag",
        [
            "!!python/object/apply:os.system [touch %s]",
            "!!python/object/new:os.system [touch %s]",
            "!!python/object:pathlib.Path {x: 1}",
            "!!python/name:os.system",
            "!!python/name:os.system ''",
            "!!python/module:this ''",
            "!!python/tuple [1]",
            "!<tag:yaml.org,2002:python/object/apply:os.system> [touch %s]",
        ],
    )
    def test_pythons_own_tags_have_no_meaning_and_nothing_is_executed(self, tag, tmp_path):
        mark = tmp_path / "mark"
        tag = tag % mark if "%s" in tag else tag
        for text in (f"a: {{x: {{p: {tag} }} }}", f"a: {{? {tag}\n : 1}}", f"{tag}\n"):
            found = problems_of(text)
            assert any(
                "no valid YAML: the tag '!!python/" in problem or "a name is text" in problem for problem in found
            )
        assert not mark.exists()

    def test_a_mapping_that_raises(self):
        class Broken(dict):
            def items(self):
                raise OSError("gone")

        assert problems_of({"a": Broken(x=1)})[0] == "a: its names can't be read: OSError: gone"

    def test_a_name_that_cannot_be_spelled(self):
        class Mute:
            def __str__(self) -> str:
                raise RuntimeError("no words")

        assert "RuntimeError: no words" in problems_of({"a": {Mute(): {}}})[0]
        problems_of({10**5000: {}, -(10**5000): 3})

    def test_messages_are_one_line_each_whatever_names_are(self):
        names = ["x\ny", "\x1b[31m", "\u202e", "z" * 100_000, "\ud800", "", " "]
        found = problems_of({name: {name: 3} for name in names})
        assert any(problem.startswith(r"'x\ny' → 'x\ny': ") for problem in found)
        assert all(len(problem) < 600 for problem in found)


class TestProblems:
    def test_one_error_has_all_of_them_in_the_order_of_the_file(self):
        text = """\
Loader:
  raw: {method: json:loods, s: '1'}
  raw: {}
Empty:
Next:
  no: {method: json:dumps, obj: 1, idnent: 2}
  bad: 3
  ? [x]
  : y
Run:
  nmae: x
  on_error: maybe
  name: a
  name: b
"""
        with pytest.raises(ConfigError) as caught:
            Executor(text)
        assert str(caught.value).splitlines() == [
            "the configuration has 8 problems, and nothing was run:",
            "  line 2, column 17: Loader → raw → method: no 'loods' in 'json'; did you mean 'loads'?",
            "  line 3, column 3: Loader → raw: it is in line 2 already",
            "  line 4, column 1: Empty: the module has no experiment",
            "  line 7, column 8: Next → bad: expected a mapping of parameters, got a number",
            "  line 8, column 5: Next: a name is text, not a list or a mapping",
            "  line 11, column 9: Run → nmae: no such setting; did you mean 'name'?",
            "  line 12, column 13: Run → on_error: expected 'stop' or 'continue', got 'maybe'",
            "  line 14, column 3: Run → name: it is in line 13 already",
        ]

    def test_those_of_a_dict_come_in_its_order_too(self):
        config = {
            "Run": {"nmae": 1},
            "A": {"x": {"method": "json:loods"}},
            "B": {1: {"method": "textwrap:dedent", "textt": 2}, "1": {}},
            "C": [],
        }
        places = [problem.split(":")[0] for problem in problems_of(config)]
        assert places == ["Run → nmae", "A → x → method", "B", "B → 1 → textt", "C"]

    def test_the_place_of_what_begins_on_another_line_is_its_name(self):
        assert problems_of("A:\n  x:\n    method: json:loads\n    s: '1'\n    t:\n     - 3\nB:\n  - 1")[-1].startswith(
            "line 7, column 1: B: "
        )

    @pytest.mark.parametrize(
        ("word", "hint"),
        [
            ("scal", "did you mean 'scale'?"),
            ("SCALE", "did you mean 'scale'?"),
            ("onehot", "did you mean 'One_Hot'?"),
            ("zzz", "there is scale, drop, One_Hot"),
        ],
    )
    def test_the_nearest_name(self, word, hint):
        assert nearest(word, ["scale", "drop", "One_Hot"]) == hint
        assert nearest(word, []) == "there is none" and closest(word, []) is None

    def test_long_lists_are_cut(self):
        assert nearest("zzzz", [f"name{number}" for number in range(5000)]).endswith("name19 and 4,980 others")


PIECES = [
    *"&*!|>%@`'\"{}[]:,#?- \n\t\r\x00\ufeff\x85\u2028\ud8000é_.~=<", ": ", "<<: ", "*loaders", "*text", "&text ",
    "\n  ",
    "!!int ", "!!bool ", "!!timestamp ", "!!python/object:os.system ", "!!set ", "!!binary ", "---\n", "...\n",
    "%YAML 9.9\n", "2024-13-45", "1:1", "0x", '"\\UFFFFFFFF"', '"\\ud800"', "9" * 5000, "method: ", "os:getcwd",
    "Run: ", "num_samples: 100", "~nobody/x", "null", "1e400", "Loader", "json:loads",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.sampled_from([np.float32(1.5), np.int64(3), np.array([1, 2]), Path("a"), object(), len, dict, 16**2000, 1j]),
    st.sampled_from(["json:loads", "method", "x", "s", "Run", "name", "tags", "\ud800", "a:b", ":", "os:", "~q/x"]),
)
NAMES = st.one_of(SCALARS, st.sampled_from(["Run", "Loader", "Splitter", "method", "path", "ratio", "step", "to"]))
KEYS = NAMES.filter(lambda name: not isinstance(name, np.ndarray))


class TestNothingElseIsRaised:
    """Whatever is given, it is an Executor or a RunfolioError."""

    def check(self, config: object) -> None:
        try:
            Executor(config)
        except RunfolioError as error:
            told = error
        else:
            return
        assert str(told).encode()
        assert all("\n" not in problem for problem in getattr(told, "problems", ()))

    @settings(max_examples=120)
    @given(
        st.lists(
            st.tuples(st.integers(0, len(VALID)), st.integers(0, 12), st.sampled_from(["", *PIECES])),
            min_size=1,
            max_size=5,
        )
    )
    def test_by_a_valid_text_with_pieces_put_in_left_out_and_doubled(self, edits):
        text = VALID
        for start, length, piece in edits:
            tail = start if length == 12 else start + length
            text = text[:start] + piece + (text[start : start + 5] if length == 12 else "") + text[tail:]
        self.check(text)

    @settings(max_examples=100)
    @given(st.lists(st.sampled_from([*PIECES, *string.ascii_letters[:6]]), max_size=25).map("".join))
    def test_by_text_of_yamls_own_characters(self, text):
        self.check(text + "\n")
        self.check(f"Loader: {{x: {{method: json:loads, s: {text}}}}}")

    @settings(max_examples=120)
    @given(
        st.recursive(
            SCALARS,
            lambda below: st.one_of(
                st.lists(below, max_size=3),
                st.tuples(below, below),
                st.dictionaries(KEYS, below, max_size=4),
            ),
            max_leaves=12,
        )
    )
    @example({"Run": {"root": "\0", "name": "\ud800", "tags": [""]}})
    @example({"Run": {"root": "~nobody/x", "name": "a\nb"}, "Loader": {"a": {"method": dict}}})
    @example({"Loader": {"\ud800": {"method": dict}}, "\ud800": {"x": {"method": dict}}})
    @example(OrderedDict(Loader=OrderedDict(x={"method": dict, "a": OrderedDict({1: 2})})))
    def test_by_nested_dicts(self, config):
        self.check(config)
        self.check({"Loader": config})
        self.check({"Loader": {"x": config}})
        self.check({"Loader": {"x": {"method": "builtins:dict", "a": config, "b": {"c": config}}}})
