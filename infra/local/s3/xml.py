"""Write and read S3's XML."""

from xml.etree.ElementTree import Element, SubElement


def append(parent: Element, **texts: str | int) -> None:
    """Append an element for each name and text."""
    for name, text in texts.items():
        SubElement(parent, name).text = str(text)


def append_checksums(parent: Element, values: dict[str, str]) -> None:
    """Append checksums by algorithm."""
    for algorithm, value in values.items():
        SubElement(parent, f"Checksum{algorithm}").text = value


def name_of(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def text_of(parent: Element, name: str) -> str:
    """Return the text of the child with this name; empty if there is none."""
    return next((child.text or "" for child in parent if name_of(child) == name), "")
