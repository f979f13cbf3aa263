"""A configuration as it is written down: as given, without secrets, and with a digest of what it says."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import json
import math
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import msgspec
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runfolio import Executor, load_run
from runfolio.errors import ConfigError
from runfolio.masking import MASK, is_secret
from runfolio.pipeline import secrets
from runfolio.pipeline.secrets import Written, written
from runfolio.pipeline.source import read


def of(config: object) -> Written:
    source = read(config)
    source.problems.raise_any()
    return written(source)


def value(text: str) -> object:
    """What a configuration says."""
    source = read(text)
    source.problems.raise_any()
    return source.root.value


def with_parameter(parameter: object) -> dict:
    return {"M": {"e": {"method": "builtins:dict", "p": parameter}}}


def digested(monkeypatch: pytest.MonkeyPatch, config: object) -> str:
    """What the digest is taken of."""
    taken: list[bytes] = []

    def keep(data: bytes):
        taken.append(data)
        return __import__("hashlib").sha256(data)

    monkeypatch.setattr(secrets, "sha256", keep)
    of(config)
    monkeypatch.undo()
    return b"".join(taken).decode()


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["password", "PASSWORD", "db_password", "dbPassword", "DBPassword", "passwd", "pwd", "passphrase", "token",
        "api-token",
         "accessToken", "AWS_SECRET", "client.secret", "key", "api_key", "apikey", "APIKey", "apiKey",
         "aws_secret_access_key",
         "credential", "credentials", "passwords", "secrets", "password2", "password_", "ÄPIkey_Ä_key"],
    )  # fmt: skip
    def test_those_that_say_that_a_secret_is_below(self, name):
        assert is_secret(name)

    @pytest.mark.parametrize(
        "name", ["path", "keys", "monkey", "turkey", "keyed", "tokenizer", "secretary", "passw", "", "é"]
    )
    def test_those_that_do_not(self, name):
        assert not is_secret(name)


class TestText:
    GIVEN = """\
# Penguins,  by night.
Run: {name:   grid}   # a name

Loader:   !!map
  raw:
    method: 'builtins:dict'
    a: [1,   2,
        3]
    "b": >-
      folded
      text
    c: &c {x: 1e3}
    d: *c
    e: no   # a boolean
"""

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_is_as_it_was_given_where_there_is_nothing_to_mask(self, end, mark):
        text = mark + self.GIVEN.replace("\n", end)
        found = of(text)
        assert (found.text, found.digest, found.is_whole) == (text, of(self.GIVEN).digest, True)

    MASKS = {
        "plain": ("password: hunter2  # not this", 'password: "***"  # not this'),
        "in double quotes": ('password: "hunter2"', 'password: "***"'),
        "in single quotes": ("password: 'it''s hunter2'", 'password: "***"'),
        "a number": ("password: 1234", 'password: "***"'),
        "of one letter": ("password: x", 'password: "***"'),
        "of no letter": ("password: ''", 'password: "***"'),
        "true": ("token: yes", 'token: "***"'),
        "a date": ("token: 2024-01-01", 'token: "***"'),
        "in a list": ("tokens_and_secrets: [a1, 'b2']", 'tokens_and_secrets: ["***", "***"]'),
        "in a list of lines": ("api_key:\n    - a1 # one\n    - b2", 'api_key:\n    - "***" # one\n    - "***"'),
        "nested": ("credentials: {user: u1, more: {pin: 12}}", 'credentials: {user: "***", more: {pin: "***"}}'),
        "below another name": ("db: {host: h, password: p1}", 'db: {host: h, password: "***"}'),
        "in a list of mappings": ("dbs: [{host: h, password: p1}]", 'dbs: [{host: h, password: "***"}]'),
        "a literal block": ("password: |\n      l1\n      l2\n\n    a: 1", 'password: "***"\n\n    a: 1'),
        "a folded block": ("password: >- # c\n      l1\n      l2\n    a: 1", 'password: "***"\n    a: 1'),
        "a block at the end": ("password: |+\n      l1\n", 'password: "***"\n'),
        "over two lines": ("password: one\n      two\n    a: 1", 'password: "***"\n    a: 1'),
        "with a tag": ("password: !!str 1234", 'password: "***"'),
        "binary": ("password: !!binary aHVudGVyMg==", 'password: "***"'),
        "with an anchor": ("password: &p hunter2\n    login: *p", 'password: &p "***"\n    login: *p'),
        "with an anchor and a tag": ("password: !!str &p 123\n    token: *p", 'password: &p "***"\n    token: *p'),
        "by an alias": ("login: &p hunter2\n    password: *p", 'login: &p "***"\n    password: *p'),
        "a mapping by an alias": ("db: &d {a: hunter2}\n    secret: *d", 'db: &d {a: "***"}\n    secret: *d'),
        "merged": ("db: &d {password: p1}\n    other: {<<: *d, a: 1}",
        'db: &d {password: "***"}\n    other: {<<: *d, a: 1}'),
        "in a url": ("url: https://u:hunter2@h/x", 'url: "https://u:***@h/x"'),
        "in a url without a user": ("url: redis://:hunter2@h/0", 'url: "redis://:***@h/0"'),
        "with an at sign in a url": ("url: pg://u:hunter2@more@h/x", 'url: "pg://u:***@h/x"'),
        "with a slash in a url": ("url: pg://u:hun/ter2@h/x", 'url: "pg://u:***@h/x"'),
        "in two urls": ("url: 'a://u:p1@h b://u:p2@h'", 'url: "a://u:***@h b://u:***@h"'),
        "in a urls query": ("url: https://h/x?a=1&token=t1&b=2", 'url: "https://h/x?a=1&token=***&b=2"'),
        "in a url in a block": ("url: |\n      https://u:hunter2@h/x\n    a: 1",
        'url: "https://u:***@h/x\\n"\n    a: 1'),
        "in a url in a list": ("urls: [https://u:hunter2@h]", 'urls: ["https://u:***@h"]'),
    }  # fmt: skip

    @pytest.mark.parametrize("case", MASKS)
    def test_secrets_are_masked_where_they_stand_and_all_else_is_as_it_was(self, case, monkeypatch):
        frame = "# a comment\nM:\n  e:\n    method: builtins:dict # of my own\n    {}\n"
        given, wanted = (frame.replace("{}", part) for part in self.MASKS[case])
        found = of(given)
        assert found.text == wanted and not found.is_whole
        assert of(found.text).digest == found.digest and of(found.text).text == found.text
        taken = digested(monkeypatch, given)
        for secret in ("hunter2", "1234", "l1", "a1", "b2", "u1", "p1", "t1", "2024", "aHVud"):
            if secret in given:
                assert secret not in found.text and secret not in taken
        assert MASK in taken

    @pytest.mark.parametrize(
        "part",
        ["a: https://h:80/x@y", "a: https://h/x", "a: mail@example.org", "a: 'x: y@z'", "password:", "password: ~",
         "password: '***'", "a: https://u@h", "password: {}", "password: []", "a: 'https://h?monkey=1'"],
    )  # fmt: skip
    def test_what_is_no_secret_stays(self, part):
        text = f"M: {{e: {{method: 'builtins:dict', {part}}}}}"
        assert of(text).text == text and of(text).is_whole

    def test_names_of_modules_and_experiments_hide_nothing(self):
        text = "Token:\n  by_key:\n    method: builtins:dict\n    a: 1\n    key: 2\n"
        found = of(text)
        assert found.text == text.replace("key: 2", 'key: "***"')
        assert of(text.replace("a: 1", "a: 2")).digest != found.digest

    def test_in_a_list_of_calls(self):
        text = "M:\n  e:\n    - {method: a, token: t1}\n    - {method: b, c: t1}\n"
        assert of(text).text == 'M:\n  e:\n    - {method: a, token: "***"}\n    - {method: b, c: t1}\n'

    def test_secrets_in_comments(self):
        text = (
            "# password: hunter1\n"
            "M: # see https://u:hunter0@h/x\n"
            "  e:\n"
            "    method: builtins:dict # 'no # comment'\n"
            "    password: hunter2 # was api_key=hunter3 till May\n"
            "    a: '# password: stays' # not hunter2 again\n"
            "# end\n"
        )
        assert of(text).text == (
            "# password: ***\n"
            "M: # see https://u:***@h/x\n"
            "  e:\n"
            "    method: builtins:dict # 'no # comment'\n"
            '    password: "***" # was api_key=***\n'
            "    a: '# password: stays' # not *** again\n"
            "# end\n"
        )

    def test_long_comments_take_no_time(self):
        for comment in ("9" * 50_000, "a-" * 50_000, "key=" * 20_000, "://" * 20_000, "# " * 50_000):
            start = time.perf_counter()
            of(f"M: {{e: {{method: a}}}} # {comment}")
            assert time.perf_counter() - start < 2

    def test_a_secret_in_a_comment_alone_leaves_the_configuration_whole(self):
        found = of("M: {e: {method: a}} # token: hunter2")
        assert (found.text, found.is_whole) == ("M: {e: {method: a}} # token: ***", True)

    def test_a_text_that_masks_would_break_is_written_anew(self):
        text = "M:\n  e:\n    method: builtins:dict\n    a: {? {password: p1}.b : 1}\n"
        config = {
            "M": {"e": {"method": "builtins:dict", "db": {1: {"password": "hunter2"}, "x": "1e3", "y": "=", "z": "no"}}}
        }
        found = of(config)
        assert value(found.text)["M"]["e"]["db"] == {1: {"password": MASK}, "x": "1e3", "y": "=", "z": "no"}
        with pytest.raises(ConfigError):
            of(text)

    @settings(max_examples=150)
    @given(
        st.lists(st.sampled_from(["password", "a", "b_key", "url"]), unique=True, min_size=1),
        st.lists(
            st.one_of(
                st.text(st.characters(codec="utf-8"), max_size=8).map(lambda text: f"{text}hunter2{text}"),
                st.lists(st.just("hunter2"), max_size=2),
                st.dictionaries(st.sampled_from(["x", "token"]), st.just("hunter2\n"), max_size=2),
                st.just("x://u:hunter2@h"),
            ),
            min_size=4,
            max_size=4,
        ),
        st.sampled_from([None, True, False]),
        st.sampled_from([None, "'", '"', "|", ">"]),
        st.integers(20, 120),
    )
    def test_any_style_of_pyyaml(self, names, values, flow, style, width):
        config = {"M": {"e": {"method": "builtins:dict", **dict(zip(names, values, strict=False))}}}
        text = yaml.safe_dump(config, default_flow_style=flow, default_style=style, width=width, allow_unicode=True)
        found = of(text)
        says, gave = value(found.text), value(text)
        assert found.is_whole == (says == gave)
        assert masked_by_hand(gave, "") == says
        assert of(found.text).digest == found.digest == of(gave).digest


def masked_by_hand(value: object, name: str) -> object:
    if isinstance(value, dict):
        return {
            key: masked_by_hand(below, name if name else key if is_secret(key) else "") for key, below in value.items()
        }
    if isinstance(value, list):
        return [masked_by_hand(item, name) for item in value]
    if name:
        return MASK
    return "x://u:***@h" if value == "x://u:hunter2@h" else value


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Connection:
    host: str
    password: str
    options: object = None


class Server(msgspec.Struct):
    url: str
    api_key: str


class Quiet:
    """An object whose repr tells a secret."""

    def __repr__(self) -> str:
        return "Quiet(password='hunter2')"


class Loud:
    def __repr__(self) -> str:
        raise RuntimeError("hunter2")


def function(data=None, **options):
    return {}


def of_dict(parameter: object) -> tuple[object, bool]:
    """What is written of a parameter of a dict, and whether that says all."""
    found = of(with_parameter(parameter))
    return value(found.text)["M"]["e"]["p"], found.is_whole


class TestDicts:
    @pytest.mark.parametrize(
        "parameter",
        [
            None, True, 3, -1.5, 10**30, 1e300, math.inf, -math.inf, "", "a", "1e3", "1.5", "no", "null", "~", "=",
            "<<", "2024-01-01",
            "1:30", "0x1F", "a: b", "# c", "é\n日", "\x00\x85\u2028", " a ", "- a", "&a", "*a", "!x", "x" * 500, "***",
            b"\x00\xff",
            dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4, 5, 6), dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
            dt.datetime(2024, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))), [], {}, [[1],
            {"a": [None]}],
            {"a": 1, "no": 2, "1e3": 3, "": 4}, {1: "a", "b": 2}, {1.5: 1, None: 2, True: 3, dt.date(2024, 1, 2): 4},
            [{"x": {2: 3}}],
        ],
        ids=lambda value: ascii(value)[:30],
    )  # fmt: skip
    def test_what_yaml_has_a_form_for_is_whole_and_comes_back(self, parameter):
        found, is_whole = of_dict(parameter)
        assert found == parameter and type(found) is type(parameter) and is_whole
        assert repr(found) == repr(parameter)
        config = of(with_parameter(parameter))
        assert of(config.text).digest == config.digest

    def test_nan(self):
        found, is_whole = of_dict(math.nan)
        assert math.isnan(found) and is_whole

    @pytest.mark.parametrize(
        ("parameter", "text"),
        [
            (np.int64(3), 3), (np.float32(0.5), 0.5), (np.bool_(True), True), (np.str_("a"), "a"), (np.array([[1,
            2]]), [[1, 2]]),
            (np.datetime64("2024-01-02"), "2024-01-02"), ((1, "a"), [1, "a"]), ({3, 1, 2}, [1, 2, 3]), (deque([1]),
            [1]),
            (range(3), [0, 1, 2]), (frozenset(), []), (Path("a/b"), "a/b"), (Decimal("1.50"), "1.50"), (Colour.RED,
            "red"),
            (dt.time(1, 2), "01:02:00"), (dt.timedelta(days=1), "P1D"), (pd.Timestamp("2024-01-02"),
            "2024-01-02T00:00:00"),
            (UUID(int=1), "00000000-0000-0000-0000-000000000001"), (pd.NaT, None), (10**5000, hex(10**5000)),
            (MappingProxyType({"a": 1}), {"a": 1}), (OrderedDict(a=1), {"a": 1}), ({np.int64(1): 2}, {"1": 2}),
            ("\ud800", "\\ud800"),
            ({(1, 2): 3}, {"(1, 2)": 3}), (complex(1, 2), "(1+2j)"), (slice(1, 2), "slice(1, 2, None)"),
            (pd.CategoricalDtype(), "CategoricalDtype(categories=None, ordered=False, categories_dtype=None)"),
            (len, "builtins:len"), (np.mean, "numpy:mean"), (str, "builtins:str"), (object(), "<object object>"),
            (Quiet(), f"<{__name__}.Quiet>"), (Loud(), f"<{__name__}.Loud>"), ([Quiet()], [f"<{__name__}.Quiet>"]),
            (np.array([Quiet()]), [f"<{__name__}.Quiet>"]), ({"x": (1,)}, {"x": [1]}),
        ],
        ids=lambda value: ascii(type(value).__name__)[:30],
    )  # fmt: skip
    def test_what_it_has_no_form_for_is_told_as_well_as_can_be_and_is_not_whole(self, parameter, text):
        assert of_dict(parameter) == (text, False)

    def test_secrets_in_objects(self, monkeypatch):
        config = with_parameter(
            {
                "connection": Connection("h", "hunter2", Server("x://u:hunter2@h", "hunter2")),
                "more": [Server("x", "hunter2")],
                "quiet": Quiet(),
                "partial": functools.partial(function, password="hunter2"),
                "token": Connection("hunter2", "hunter2"),
                "secrets": np.array(["hunter2"]),
                "set": {"x://u:hunter2@h"},
                "api_key": {"hunter": ("hunter2", b"hunter2")},
                "by": lambda: "hunter2",
            }
        )
        found = of(config)
        assert "hunter2" not in found.text and not found.is_whole
        assert "hunter2" not in digested(monkeypatch, config) and "aHVudGVyMg" not in digested(monkeypatch, config)
        says = value(found.text)["M"]["e"]["p"]
        assert says["connection"] == {
            "host": "h",
            "password": MASK,
            "options": {"url": "x://u:***@h", "api_key": MASK},
        }
        assert says["partial"] == f"{__name__}:function" and says["token"] == says["api_key"]["hunter"][0] == MASK

    @pytest.mark.parametrize(
        ("method", "is_whole"),
        [
            ("builtins:dict", True), (dict, True), (json.dumps, True), (Path.cwd, True), (function, False),
            (lambda: 1, False),
            (functools.partial(dict, a=1), False), (functools.partial(json.dumps), False), (Quiet().__repr__, False),
            (pd.DataFrame.dropna, True), (np.mean, True),
        ],
        ids=lambda value: str(value)[:30],
    )  # fmt: skip
    def test_a_method_is_whole_where_its_name_leads_to_it(self, method, is_whole):
        found = of({"M": {"e": {"method": method}, "f": [{"method": method}]}})
        if method is function and __name__ in __import__("sys").modules:
            is_whole = getattr(__import__("sys").modules[__name__], "function", None) is function
        assert found.is_whole == is_whole
        assert of(found.text).digest == found.digest

    def test_a_callable_elsewhere_does_not_come_back_by_its_name(self):
        assert not of(with_parameter(dict)).is_whole
        assert not of(with_parameter({"method": dict})).is_whole

    def test_objects_that_hold_themselves(self):
        one = Connection("h", "p")
        one.options = [one, one, {"x": one}]
        assert len(of(with_parameter(one)).text) < 5_000_000

    def test_frames_are_told_by_a_digest(self):
        frame = pd.DataFrame({"a": range(1000), "b": "x"})
        other = frame.assign(a=frame["a"].where(frame["a"] != 500, 7))
        texts = [
            of_dict(data)[0] for data in (frame, frame.copy(), other, frame.rename(columns={"a": "c"}), frame["a"])
        ]
        assert texts[0] == texts[1] and len(set(texts)) == 4
        assert texts[0].startswith("<pandas.") and "DataFrame> " in texts[0]
        assert isinstance(of_dict(pd.DataFrame({"a": [[1]]}))[0], str) and isinstance(of_dict(pd.Index([1]))[0], str)
        assert of_dict(np.zeros(10**6))[0] != of_dict(np.ones(10**6))[0]

    SCALARS = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.datetimes(),
        st.binary(max_size=4),
        st.sampled_from(["1e3", "1.0", "=", "<<", "no", "-", "? a", "a:", "x://u:hunter2@h", "\ud800"]),
    )  # fmt: skip

    @settings(max_examples=200)
    @given(
        st.recursive(
            SCALARS,
            lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text() | st.integers(), below, max_size=3),
            max_leaves=8,
        )
    )
    def test_whole_is_what_comes_back_and_the_digest_with_it(self, parameter):
        try:
            found = of(with_parameter(parameter))
        except ConfigError:
            return  # two names that are the same text
        says = value(found.text)["M"]["e"]["p"]
        assert found.is_whole == (repr(says) == repr(parameter))
        assert of(found.text).digest == found.digest and "hunter2" not in found.text


class TestDigest:
    BASE = """\
Run: {name: a}
L:
  x: {method: m, a: 1, b: [1, 2], c: {d: 1, e: 2}}
  y: {method: m}
M:
  z: {method: n}
"""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("name: a", "name: b"),
            ("Run: {name: a}\n", ""),
            ("L:\n", "L: # comment\n\n\n"),
            ("a: 1, b: [1, 2]", "b: [1,   2], a: 0x1"),
            ("{d: 1, e: 2}", "{e: 2, d: 1}"),
            ("method: m, a: 1", "a: 1, 'method': \"m\""),
        ],
    )
    def test_does_not_depend_on_run_comments_spelling_and_the_order_of_parameters(self, old, new):
        assert old in self.BASE
        assert of(self.BASE.replace(old, new)).digest == of(self.BASE).digest

    def test_depends_on_all_else(self):
        edits = [
            ("a: 1", "a: 2"), ("a: 1", "a: 1.0"), ("a: 1", "a: '1'"), ("a: 1", "a: true"), ("a: 1", "a: null"),
            ("a: 1", "a: [1]"),
            ("a: 1", "a: {x: 1}"), ("a: 1", "a: 2024-01-01"), ("a: 1", "a: '2024-01-01'"), ("a: 1", "a: .nan"),
            ("a: 1", "a: NaN"),
            ("a: 1", "a: 99999999999999999999"), ("a: 1", "a: '99999999999999999999'"), ("a: 1", "aa: 1"), ("[1, 2]",
            "[2, 1]"),
            ("{d: 1, e: 2}", "{1: 1, e: 2}"), ("{d: 1, e: 2}", "{'1': 1, e: 2}"), ("method: n", "method: m"), ("z:",
            "zz:"),
            ("M:", "N:"), ("  x:", "  Y:"), ("a: 1, ", ""), ("  y: {method: m}\n", ""), ("{method: n}",
            "[{method: n}]"),
        ]  # fmt: skip
        texts = [self.BASE, *(self.BASE.replace(old, new) for old, new in edits)]
        lines = self.BASE.splitlines(keepends=True)
        texts += ["".join([lines[0], *lines[4:], *lines[1:4]]), "".join([*lines[:2], lines[3], lines[2], *lines[4:]])]
        assert len(set(texts)) == len(texts) == len({of(text).digest for text in texts})

    def test_does_not_depend_on_secrets_or_addresses(self):
        texts = [f"M: {{e: {{method: m, token: {token}, a: 'x://u:{token}@h'}}}}" for token in ("a1", "b2")]
        assert of(texts[0]).digest == of(texts[1]).digest
        assert of(with_parameter(object())).digest == of(with_parameter(object())).digest
        assert of(with_parameter(Quiet())).digest == of(with_parameter(Quiet())).digest

    def test_is_the_same_for_yaml_and_a_dict(self):
        assert of(yaml.safe_load(self.BASE)).digest == of(self.BASE).digest


class TestInTheRunFolder:
    def test_no_secret_is_anywhere_in_it(self, tmp_path):
        text = "L:\n  a: {method: 'builtins:dict', password: hunter2-5931}\n"
        executor = Executor(text)
        executor.run()
        folder = executor.status.folder
        assert (folder / "config.yaml").read_text() == text.replace("hunter2-5931", '"***"')
        result = [path for path in folder.rglob("*") if path.is_file() and b"hunter2-5931" in path.read_bytes()]
        assert [path.parent.name for path in result] == ["results"], "which is what the callable gave"
        (event,) = [event for event in load_run(folder).events if event.type == "config"]
        assert event.context["sha256"] == of(text).digest and not event.context["is_whole"]
