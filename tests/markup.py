"""What tests read of HTML."""
from __future__ import annotations

from html.parser import HTMLParser


class Cells(HTMLParser):
    """The tags and the texts of some HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)
