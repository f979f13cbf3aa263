"""A stand-in."""


class XGBClassifier: ...


class XGBRegressor: ...
