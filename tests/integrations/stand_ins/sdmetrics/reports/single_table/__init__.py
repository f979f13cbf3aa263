"""A stand-in."""


class DiagnosticReport: ...


class QualityReport: ...
