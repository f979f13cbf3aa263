"""Which rows an expression selects."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.errors import UndefinedVariableError

from runfolio.errors import InputError
from runfolio.pipeline.modules.tables import nearest_column

_NAME = re.compile(r"name '(?:BACKTICK_QUOTED_STRING_)?(.*)' is not defined")
_LOCAL = re.compile(r"local variable '(.*)' is not defined")


def mask(frame: pd.DataFrame, where: str) -> Any:
    """Whether an expression is true for each row, as an array. Raises InputError if it is wrong or gives another.

    It sees the columns and the index, but no variables. It can call the methods of columns, as the configuration that
    it comes from can name any callable.
    """
    # `query` would take integers as labels of rows, and so has to be kept from anything but true and false.
    compute = frame.eval
    try:
        with np.errstate(all="ignore"):
            found: Any = compute(where, local_dict={}, global_dict={}, engine="python")
    except UndefinedVariableError as error:
        raise _undefined(frame, where, str(error)) from error
    except Exception as error:  # an expression can do anything that columns can
        what = (
            f"the expression {where!r} is wrong: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        )
        raise InputError(what, remedy="write one as for DataFrame.query, such as age >= 18", key="where") from error
    if isinstance(found, pd.Series) and not found.index.equals(frame.index):
        what = f"the expression {where!r} gives its rows in another order, or others"
        raise InputError(what, remedy="compare a column, as in age >= 18", key="where")
    if not isinstance(found, pd.Series) or not types.is_bool_dtype(found.dtype):
        given = str(found.dtype) if isinstance(found, pd.Series) else type(found).__name__
        what = f"the expression {where!r} gives {given}, not true or false for each row"
        raise InputError(what, remedy="compare a column, as in age >= 18", key="where")
    return found.to_numpy(dtype=bool, na_value=False) if found.dtype != bool else found.to_numpy()


def _undefined(frame: pd.DataFrame, where: str, message: str) -> InputError:
    local = _LOCAL.search(message)
    if local:
        what = f"the expression {where!r} names a variable, @{local[1]}, and there are none"
        return InputError(what, remedy="write its value out", key="where")
    found = _NAME.search(message)
    name = found[1] if found else message
    what = f"the expression {where!r} names {name!r}, which is no column"
    return InputError(what, remedy=nearest_column(frame, name), column=name, key="where")
