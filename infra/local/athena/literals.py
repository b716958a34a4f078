"""Names and values as SQL text: DuckDB takes no parameters for a name or a setting."""


def identifier(name: str) -> str:
    """A quoted name."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A quoted text."""
    return "'" + str(value).replace("'", "''") + "'"
