"""A stand-in."""


class BaseReport: ...
