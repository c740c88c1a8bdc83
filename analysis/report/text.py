"""Text that files of every kind can hold."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # no page may hold them, and no SVG


def plain(text: str) -> str:
    """Return a text with a mark in the place of each character that a page cannot hold."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
