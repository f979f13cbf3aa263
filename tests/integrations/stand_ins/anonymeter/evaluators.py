"""A stand-in."""


class InferenceEvaluator: ...


class LinkabilityEvaluator: ...


class SinglingOutEvaluator: ...
