"""A stand-in."""


class Tensor: ...
