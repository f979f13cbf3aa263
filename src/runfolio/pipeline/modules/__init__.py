"""The built-in modules."""

BUILT_IN: dict[str, dict[str, str]] = {}
DEFAULT_METHODS: dict[str, str] = {}
