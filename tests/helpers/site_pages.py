"""Reading the pages of a site: their markup, and the rows of a leaderboard."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "img", "br"}


class Markup(HTMLParser):
    """Every start tag of a page and its text; fails where tags are not balanced."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.words = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)


def pages(site):
    """The markup of every page, by file."""
    return {file: Markup(file.read_text(encoding="utf-8")) for file in site.rglob("*.html")}


@dataclass
class Cell:
    """What a cell shows, and the value it is sorted by."""

    value: float | None
    best: bool
    reason: str
    text: str = ""


@dataclass
class Row:
    """A row of a leaderboard: cells by key of the column, among them rank, method and runs."""

    name: str
    group: str
    """The heading above it."""
    cells: dict[str, Cell] = field(default_factory=dict)

    @property
    def rank(self):
        return self.cells["rank"].value


class LeaderboardPage(Markup):
    """The rows of a leaderboard's table, and the sentences below it."""

    def __init__(self, file):
        self.keys, self.rows, self.sentences, self._group = [], [], [], ""
        super().__init__(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        super().handle_starttag(tag, attributes)
        given = dict(attributes)
        if tag == "th" and given["scope"] == "col":
            self.keys.append(given.get("data-key", "curve"))
        elif tag == "tbody":
            self._group = ""
        elif tag == "tr" and "data-row" in given:
            self.rows.append(Row(given["data-name"], self._group))
        elif tag in ("td", "th") and self.rows and given.get("scope") != "rowgroup" and (
                len(self.rows[-1].cells) < len(self.keys)):
            value = given.get("data-value")
            self.rows[-1].cells[self.keys[len(self.rows[-1].cells)]] = Cell(
                None if value is None else float(value), given.get("class") == "best",
                given.get("title", ""))
        elif tag == "li":
            self.sentences.append("")

    def handle_data(self, data):
        super().handle_data(data)
        if "li" in self.open:
            self.sentences[-1] += data
        elif "tbody" in self.open and not self._group:
            self._group = data.strip()
        elif self.rows and self.rows[-1].cells and ("td" in self.open or "th" in self.open):
            [*self.rows[-1].cells.values()][-1].text += data

    def group(self, start):
        """The rows below the heading that begins with `start`."""
        return [row for row in self.rows if row.group.startswith(start)]
