"""The plan against a plain recursion, its limits, and the files that steps are to write."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runfolio import Executor
from runfolio.errors import ConfigError
from runfolio.pipeline import source as source_of_trees
from runfolio.pipeline.grammar import parse
from runfolio.pipeline.parameters import InputFile, OutputFile
from runfolio.pipeline.plan import MAX_MODULES, MAX_STEPS, PlannedStep, plan


def pass_on(data=None, **options):
    return {"options": len(options)}


def draw(data=None, *, num_samples: int = 1, sample: int = 1):
    return {"sample": sample}


def read(source: InputFile):
    return {"source": str(source)}


def write(data=None, *, to: OutputFile, also: OutputFile | None = None):
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(str(data))
    return {"to": str(to)}


def plan_of(config: object) -> list[PlannedStep]:
    """The plan alone, for what is tried many times."""
    source = source_of_trees.read(config)
    found = plan(parse(source), source.problems)
    source.problems.raise_any()
    return found


def problems_of(config: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Executor(config)
    return list(caught.value.problems)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestOrder:
    @staticmethod
    def expected(modules: list[tuple[str, list[str]]]) -> list[tuple[list[tuple[str, str]], int | None]]:
        """Path and parent of each step, by recursion."""
        found: list = []

        def below(depth: int, path: list, parent: int | None) -> None:
            if depth < len(modules):
                module, experiments = modules[depth]
                for experiment in experiments:
                    found.append(([*path, (module, experiment)], parent))
                    below(depth + 1, found[-1][0], len(found) - 1)

        below(0, [], None)
        return found

    @settings(max_examples=60)
    @given(st.lists(st.lists(st.sampled_from([1, 1, 2, 3]), min_size=1, max_size=3), min_size=1, max_size=4))
    def test_depth_first_each_prefix_once_each_after_its_own_parent(self, shape):
        config, modules = {}, []
        for number, samples in enumerate(shape):
            config[f"M{number}"] = {
                f"e{index}": {"method": draw, "num_samples": count} for index, count in enumerate(samples)
            }
            names = [
                name
                for index, count in enumerate(samples)
                for name in ([f"e{index}"] if count == 1 else [f"e{index}_[{count}-{k + 1}]" for k in range(count)])
            ]
            modules.append((f"M{number}", names))
        plan = plan_of(config)
        found = [([(step.module_name, step.experiment_name) for step in one.path], one.parent) for one in plan]
        assert found == self.expected(modules)
        assert [step.number for step in plan] == list(range(len(plan)))
        keys = [step.key for step in plan]
        assert len(set(keys)) == len(keys) and [str(step) for step in plan] == keys

    def test_names_that_look_like_keys_stay_apart(self):
        names = ["a", "a]_M1[a", "a]", "]_M1[", "M1"]
        config = {f"M{number}": {name: {"method": pass_on} for name in names} for number in range(2)}
        assert len({step.path for step in Executor(config).plan}) == 5 + 25


class TestLimits:
    def quickly(self, config: object) -> list[str]:
        tracemalloc.start()
        start = time.perf_counter()
        try:
            return problems_of(config)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert time.perf_counter() - start < 10 and peak < 20e6

    def test_ten_modules_of_ten_experiments(self):
        ten = {f"e{number}": {"method": pass_on} for number in range(10)}
        assert self.quickly({f"M{number}": ten for number in range(10)}) == [
            "M0: the plan has 11,111,111,110 steps, more than 100,000; this module has the most experiments, 10"
        ]

    def test_a_billion_samples(self):
        assert self.quickly({"A": {"x": {"method": pass_on}}, "S": {"x": {"method": draw, "num_samples": 10**9}}}) == [
            "S: the plan has 1,000,000,001 steps, more than 100,000; "
            "this module has the most experiments, 1,000,000,000"
        ]
        many = {f"M{number}": {"x": {"method": draw, "num_samples": 10**9}} for number in range(MAX_MODULES)}
        assert self.quickly(many) == ["M0: the plan has over 1,000,000,000,000,000 steps, more than 100,000; "
                                      "this module has the most experiments, 1,000,000,000"]  # fmt: skip
        assert self.quickly({"S": {"x": {"method": draw, "num_samples": 10**4000}}}) == [
            "S: the plan has over 1,000,000,000,000,000 steps, more than 100,000"
        ]
        hundred = {f"e{number}": {"method": draw, "num_samples": 99_999} for number in range(100)}
        assert "9,999,900 steps" in self.quickly({"S": hundred})[0]

    def test_the_limit_itself(self):
        config = {"S": {"x": {"method": draw, "num_samples": MAX_STEPS}}}
        assert len(Executor(config).plan) == MAX_STEPS
        config["S"]["y"] = {"method": pass_on}
        assert "has 100,001 steps" in self.quickly(config)[0]

    def test_the_number_of_modules(self):
        config = {f"M{number}": {"x": {"method": pass_on}} for number in range(MAX_MODULES)}
        assert len(Executor(config).plan) == MAX_MODULES
        config["Last"] = {"x": {"method": pass_on}}
        assert problems_of(config) == ["Last: there are 201 modules, more than 200"]

    def test_a_module_that_is_wrong_does_not_hide_what_else_is(self):
        assert problems_of({"A": {}, "B": {"x": {"method": pass_on, "num_samples": 10**9}}, "C": 3}) == [
            "A: the module has no experiment",
            "C: expected a mapping of experiments, got a number",
        ]


class TestOutputs:
    @staticmethod
    def config(to: str, *, names: tuple[str, ...] = ("a", "b"), **more: object) -> dict:
        return {
            "Loader": {name: {"method": pass_on} for name in names},
            "Writer": {"w": {"method": write, "to": to, **more}},
        }

    def written(self, config: object) -> list[Path]:
        return [step.calls[-1].parameters["to"] for step in Executor(config).plan if step.calls[-1].outputs]

    def test_fields_are_the_experiments_of_the_branch(self, here):
        config = self.config("out/{Loader}-{Writer}.csv")
        executor = Executor(config)
        executor.run()
        assert sorted(str(path.relative_to(here)) for path in (here / "out").iterdir()) == [
            "out/a-w.csv",
            "out/b-w.csv",
        ]

    def test_fields_in_the_folder_itself_are_none(self, here):
        folder = here / "{Loader}" / "{x}"
        folder.mkdir(parents=True)
        text = "Loader: {a: {method: 'builtins:dict'}}\nReporter: {r: {method: data, to: '{Loader}.csv'}}"
        (folder / "p.yaml").write_text(text)
        assert self.written(folder / "p.yaml") == [folder / "a.csv"]

    def test_an_unknown_field_names_the_nearest(self):
        assert problems_of(self.config("{Loadr}{Loader}.csv")) == [
            "Writer → w → to: no module 'Loadr' on this branch; did you mean 'Loader'?"
        ]
        assert problems_of(self.config("{Loader}{}.csv")) == [
            "Writer → w → to: no module '' on this branch; there is Loader, Writer"
        ]
        config = {**self.config("{Loader}{Later}.csv"), "Later": {"x": {"method": pass_on}}}
        assert "no module 'Later' on this branch" in problems_of(config)[0]

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("../../../etc/passwd", "-..-..-etc-passwd.csv"), ("..", "-.csv"), (".", "-.csv"), ("/", "-.csv"),
            ("a/b", "a-b.csv"), ("~root", "-root.csv"), (".hidden", "hidden.csv"), ("a\0b\n", "a-b-.csv"),
            ("x" * 1000, "x" * 100 + ".csv"), ("é日本", "é日本.csv"), ("日" * 100, "日" * 33 + ".csv"),
            ("C:\\x", "C-x.csv"),
            ("{Writer}", "-Writer-.csv"), ("\\1", "-1.csv"), ("\ud800", "-ud800.csv"),
        ],
        ids=lambda text: ascii(text[:20]),
    )  # fmt: skip
    def test_no_name_leads_out_of_the_folder(self, here, name, file):
        (path,) = self.written(self.config("out/{Loader}.csv", names=(name,)))
        assert path == here / "out" / file

    @settings(max_examples=100)
    @given(st.text(min_size=1).filter(str.strip))
    def test_nor_does_any_text(self, name):
        *_, last = plan_of(self.config("out/{Loader}", names=(name,)))
        path = last.calls[0].parameters["to"]
        assert path.parent == Path.cwd() / "out" and path.name not in ("", ".", "..")
        assert Path(os.path.normpath(path)) == path and len(os.fsencode(path.name)) <= 100

    def test_two_steps_that_would_write_the_same_file(self):
        assert problems_of(self.config("out.csv")) == [
            "Writer → w → to: Loader[a]_Writer[w] and Loader[b]_Writer[w] would both write 'out.csv'; "
            "put {Loader} in its name"
        ]

    def test_it_is_told_once_for_each_place(self):
        names = tuple(f"e{number}" for number in range(300))
        assert len(problems_of(self.config("out.csv", names=names))) == 1

    def test_two_experiments_or_modules_that_write_the_same_file(self):
        config = self.config("{Loader}.csv", names=("a",))
        config["Writer"]["v"] = {"method": write, "to": "x/../a.csv"}
        assert problems_of(config) == [
            "Writer → v → to: Loader[a]_Writer[w] and Loader[a]_Writer[v] would both write 'a.csv'; "
            "give one another name"
        ]
        config = {**self.config("a.csv", names=("a",)), "Next": {"n": {"method": write, "to": "a.csv"}}}
        assert problems_of(config) == [
            "Next → n → to: Loader[a]_Writer[w] and Loader[a]_Writer[w]_Next[n] would both write 'a.csv'; "
            "give one another name"
        ]

    def test_names_that_become_the_same_file_name(self):
        assert problems_of(self.config("{Loader}.csv", names=("a b", "a/b"))) == [
            "Writer → w → to: Loader[a b]_Writer[w] and Loader[a/b]_Writer[w] would both write 'a-b.csv'; "
            "give experiments names that differ in letters or digits"
        ]

    def test_within_one_step(self):
        twice = {"W": {"w": [{"method": write, "to": "a.csv"}, {"method": write, "to": "a.csv"}]}}
        assert "two parameters of W[w] would both write 'a.csv'; give one another name" in problems_of(twice)[0]
        both = {"W": {"w": {"method": write, "to": "a.csv", "also": "./a.csv"}}}
        assert problems_of(both) == [
            "W → w → also: two parameters of W[w] would both write 'a.csv'; give one another name"
        ]

    def test_by_way_of_a_link(self, here):
        (here / "real").mkdir()
        (here / "link").symlink_to("real")
        config = self.config("real/a.csv", names=("a",))
        config["Writer"]["v"] = {"method": write, "to": "link/a.csv"}
        assert "would both write 'a.csv'" in problems_of(config)[0]

    def test_an_output_that_is_an_input(self, here):
        (here / "a.csv").write_text("x")
        (here / "link.csv").symlink_to("a.csv")
        for source, to in [("a.csv", "a.csv"), ("link.csv", "a.csv"), ("a.csv", "link.csv"), ("a.csv", "{Loader}.csv")]:
            config = {
                "Loader": {"a": {"method": read, "source": source}},
                "Writer": {"w": {"method": write, "to": to}},
            }
            found = problems_of(config)
            name = to.replace("{Loader}", "a")
            assert found == [f"Writer → w → to: {name!r} is read by this pipeline, and would be written over"]

    def test_what_is_no_file_to_write(self, here):
        (here / "sub").mkdir()
        (here / "file").touch()
        os.mkfifo(here / "fifo")
        (here / "loop").symlink_to("loop")
        one = ("a",)
        assert problems_of(self.config("sub", names=one)) == [
            f"Writer → w → to: {str(here / 'sub')!r} is a folder, not a file"
        ]
        assert problems_of(self.config("fifo", names=one))[0].endswith("is no regular file")
        assert "File name too long" in problems_of(self.config("x" * 300, names=one))[0]
        assert problems_of(self.config("s3://bucket/x", names=one))[0].startswith("Writer → w → to: it is a URL")
        assert problems_of(self.config("", names=one)) == ["Writer → w → to: '' is no path"]
        for fine in ("loop", "file", "new/folder/x"):
            assert len(self.written(self.config(fine, names=one))) == 1

    def test_a_relative_one_starts_from_the_folder_of_the_configuration(self, here):
        assert self.written(self.config("a.csv", names=("a",))) == [here / "a.csv"]
        assert self.written(self.config("/tmp/a.csv", names=("a",))) == [Path("/tmp/a.csv")]
