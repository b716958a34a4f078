"""S3's XML: what is said under a name, and how it is read."""

from xml.etree.ElementTree import Element, SubElement


def append(parent: Element, **texts: str | int) -> None:
    """Say these, each under its name."""
    for name, text in texts.items():
        SubElement(parent, name).text = str(text)


def append_checksums(parent: Element, values: dict[str, str]) -> None:
    """Say checksums by their algorithms."""
    for algorithm, value in values.items():
        SubElement(parent, f"Checksum{algorithm}").text = value


def name_of(element: Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def text_of(parent: Element, name: str) -> str:
    """What is said under a name; nothing if it is not there."""
    return next((child.text or "" for child in parent if name_of(child) == name), "")
