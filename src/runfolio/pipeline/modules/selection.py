"""Which rows an expression selects.

`DataFrame.eval` alone would let an expression call any method of a column, `to_csv` and those that work in place among
them, and read any attribute. So it is read as Python first, and nothing goes to pandas but what is listed here.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.errors import UndefinedVariableError

from runfolio.errors import InputError
from runfolio.pipeline.modules.tables import SHOWN_CHARACTERS, is_text, nearest, nearest_column

ATTRIBUTES = frozenset(
    (
        *("str", "dt", "cat"),
        *("isna", "isnull", "notna", "notnull", "isin", "between", "duplicated", "fillna", "abs", "round", "clip"),
        *("eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "div", "mod", "pow"),
        *("min", "max", "mean", "median", "std", "var", "sum", "count", "quantile", "nunique", "any", "all"),
        *("rank", "shift", "diff", "cumsum", "cummax", "cummin", "where", "mask"),
        *("contains", "startswith", "endswith", "match", "fullmatch", "len", "get", "slice", "find"),
        *("lower", "upper", "title", "capitalize", "casefold", "strip", "lstrip", "rstrip", "replace"),
        *("removeprefix", "removesuffix", "isalpha", "isdigit", "isalnum", "isnumeric", "isdecimal"),
        *("isspace", "islower", "isupper", "istitle"),
        *("year", "quarter", "month", "day", "hour", "minute", "second", "microsecond", "nanosecond"),
        *("day_of_week", "dayofweek", "weekday", "day_of_year", "dayofyear", "days_in_month", "daysinmonth"),
        *("day_name", "month_name", "is_leap_year", "is_month_start", "is_month_end", "is_quarter_start"),
        *("is_quarter_end", "is_year_start", "is_year_end", "date", "time", "normalize", "floor", "ceil"),
        *("tz_convert", "days", "seconds", "microseconds", "total_seconds", "codes", "ordered"),
    )
)
"""What an expression can ask of a column: what neither changes anything nor leads away from its values."""

_NODES = (
    *(ast.Expression, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.boolop, ast.unaryop, ast.operator),
    *(ast.cmpop, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Call, ast.Attribute, ast.keyword, ast.expr_context),
)
_CONSTANTS = (bool, int, float, str, type(None))
_TEXT_OR_BACKTICKS = re.compile(r"""[A-Za-z]*'(?:[^'\\\n]|\\.)*'|[A-Za-z]*"(?:[^"\\\n]|\\.)*"|`([^`\n]*)`|@(\w+)""")
_NAME = re.compile(r"name '(.*)' is not defined")
_HOW = "write one as for DataFrame.query, such as age >= 18"


def mask(frame: pd.DataFrame, where: str) -> Any:
    """Whether an expression is true for each row, as an array. Raises InputError if it is wrong or gives another.

    It sees the columns and the index, but no variables, and of a column's methods those in `ATTRIBUTES`.

    >>> mask(pd.DataFrame({"age": [17, 30]}), "age >= 18").tolist()
    [False, True]
    >>> mask(pd.DataFrame({"age": [17, 30]}), "age.to_csv('people.csv')")
    Traceback (most recent call last):
    ...
    runfolio.errors.InputError: the expression "age.to_csv('people.csv')" is wrong: a column has no 'to_csv' for it; \
there is abs, add, all, any, between, capitalize, casefold, cat, ceil, clip, \
codes, contains and 98 more
    """
    text, quoted = _without_backticks(frame, where)
    names = _checked(text, where)
    try:
        # `query` would take integers as labels of rows, and so has to be kept from anything but true and false.
        compute = pd.DataFrame(_columns(frame, names, quoted), index=frame.index).eval
        with np.errstate(all="ignore"):
            found = compute(text, local_dict={}, global_dict={}, engine="python")
    except UndefinedVariableError as error:
        named = _NAME.search(str(error))
        raise _no_column(frame, where, named[1] if named else str(error)) from error
    except Exception as error:  # comparisons of all kinds of values fail in as many ways
        raise _wrong(where, error) from error
    return _truth(found, frame, where)


def _without_backticks(frame: pd.DataFrame, where: str) -> tuple[str, dict[str, Any]]:
    """The expression with an identifier in the place of each name in backticks, and what they stand for."""
    quoted: dict[str, Any] = {}

    def put(found: re.Match[str]) -> str:
        name, variable = found[1], found[2]
        if variable is not None:
            what = f"the expression {_short(where)} names a variable, @{variable}, and there are none"
            raise InputError(what, remedy="write its value out", key="where")
        if name is None:
            # pandas looks for backticks in text too.
            return found[0].replace("`", r"\x60") if found[0][0] in "'\"" else found[0]
        if name not in frame.columns and name not in frame.index.names:
            raise _no_column(frame, where, name)
        identifier = f"_{len(quoted)}_in_backticks_"
        while identifier in where:
            identifier += "_"
        quoted[identifier] = name
        return identifier

    text = _TEXT_OR_BACKTICKS.sub(put, where)
    if "`" in text:
        raise _wrong(where, "a backtick stands alone, or in text with a prefix")
    return text.strip(), quoted


def _checked(text: str, where: str) -> set[str]:
    """The names in an expression. Raises InputError if it is none, or holds what is not allowed in one."""
    if len(text.splitlines()) > 1:  # pandas takes each for an expression, also where Python sees a comment or text
        raise _wrong(where, "it has several lines, where one is needed")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, SyntaxError) and _is_assignment(text):
            what = f"the expression {_short(where)} gives DataFrame, not true or false for each row"
            raise InputError(what, remedy="= assigns: compare by ==, as in age == 18", key="where") from error
        raise _wrong(where, error.msg if isinstance(error, SyntaxError) else error) from error
    nodes = list(ast.walk(tree))
    for what in filter(None, map(_refusal, nodes)):
        raise _wrong(where, what)
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr not in ATTRIBUTES:
            what = f"the expression {_short(where)} is wrong: a column has no {node.attr!r} for it"
            raise InputError(what, remedy=nearest(node.attr, sorted(ATTRIBUTES)), key="where")
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _refusal(node: ast.AST) -> str | None:
    """Why a part of an expression is none, if it is not."""
    if isinstance(node, ast.Subscript):
        return "there are no [brackets] behind a value: use .str.get(0), .str.slice(0, 3) or .shift()"
    if not isinstance(node, _NODES) or isinstance(node, ast.MatMult):
        return f"{type(node).__name__} has no place in it"
    if isinstance(node, ast.Is | ast.IsNot):
        return "there is no `is`: use .isna() or .notna() for missing values, else =="
    if isinstance(node, ast.Name) and node.id.startswith("__pd_eval_local_"):
        return "there are no variables in it"
    if isinstance(node, ast.Constant) and not isinstance(node.value, _CONSTANTS):
        return f"{node.value!r} is no text, number, True or False"
    if isinstance(node, ast.keyword) and node.arg in (None, "inplace"):
        return "** and inplace have no place in it"
    return None


def _is_assignment(text: str) -> bool:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(statement, ast.Assign | ast.AugAssign) for statement in body)


def _columns(frame: pd.DataFrame, names: set[str], quoted: dict[str, Any]) -> dict[str, Any]:
    """The columns that an expression names, by their names in it; no other can get into its way."""
    # Python brings identifiers into one of several forms that look alike.
    plain = {unicodedata.normalize("NFKC", label): label for label in frame.columns if isinstance(label, str)}
    meant = {name: name if name in frame.columns else plain.get(name, quoted.get(name)) for name in names}
    there = {name: label for name, label in meant.items() if label is not None and label in frame.columns}
    found = {name: _plain(frame[label]) for name, label in there.items()}
    for name, label in quoted.items():
        if name not in found:
            found[name] = pd.Series(frame.index.get_level_values(label), index=frame.index)
    return found


def _plain(column: Any) -> Any:
    """Objects that are all text, or all true or false, as what pandas 3 makes of them: gaps are no hindrance then."""
    if isinstance(column, pd.Series) and column.dtype == object:
        if is_text(column):
            return column.astype(pd.StringDtype(na_value=np.nan))
        if types.infer_dtype(column, skipna=True) == "boolean":
            return column.astype("boolean")
    return column


def _truth(found: Any, frame: pd.DataFrame, where: str) -> Any:
    if isinstance(found, np.ndarray) and found.shape == (len(frame),):  # comparisons of some kinds of index
        found = pd.Series(found, index=frame.index)
    if isinstance(found, pd.Series) and (found.dtype == object or is_text(found)):
        # Of a column without any value, nobody knows whether it is of truth or of text.
        is_truth = types.infer_dtype(found, skipna=True) in ("boolean", "empty") or found.isna().all()
        found = found.astype(object).astype("boolean") if is_truth else found
    is_bool = isinstance(found, pd.Series) and types.is_bool_dtype(found.dtype)
    if not is_bool or not found.index.equals(frame.index):
        given = "other rows" if is_bool else str(found.dtype) if isinstance(found, pd.Series) else type(found).__name__
        what = f"the expression {_short(where)} gives {given}, not true or false for each row"
        raise InputError(what, remedy="compare a column, as in age >= 18", key="where")
    return found.astype("boolean").to_numpy(dtype=bool, na_value=False)


def _no_column(frame: pd.DataFrame, where: str, name: str) -> InputError:
    what = f"the expression {_short(where)} names {name!r}, which is no column"
    return InputError(what, remedy=nearest_column(frame, name), column=name, key="where")


def _wrong(where: str, why: Any) -> InputError:
    told = next(_lines(str(why)), type(why).__name__)
    return InputError(f"the expression {_short(where)} is wrong: {told}", remedy=_HOW, key="where")


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip())


def _short(where: str) -> str:
    return repr(where) if len(where) <= 2 * SHOWN_CHARACTERS else f"{where[: 2 * SHOWN_CHARACTERS]!r}…"
