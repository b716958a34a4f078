"""What a test asserts of a message: the facts that it names, never its words, which stand once in a snapshot."""


class Naming:
    """Equal to every text that names these facts: `assert errors == [Naming("m.yaml:3", "prefix")]`."""

    def __init__(self, *facts: str) -> None:
        self.facts = facts

    def __eq__(self, text: object) -> bool:
        """Whether the text has each of the facts."""
        return isinstance(text, str) and all(fact in text for fact in self.facts)

    def __hash__(self) -> int:
        return hash(self.facts)

    def __repr__(self) -> str:
        return f"Naming({', '.join(map(repr, self.facts))})"
