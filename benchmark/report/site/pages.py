"""Templates: everything that comes from records is text in them, never markup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmark import __version__
from benchmark.report.site import charts, numbers
from benchmark.report.site.slugs import slug
from benchmark.report.tables.names import heading

TEMPLATES = Path(__file__).parent / "templates"
ROWS = 100
"""Rows of a group that a browser shows before it is asked for more."""


class Pages:
    """Writes pages below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, auto_reload=False)
        self.environment.globals |= {"heading": heading, "slug": slug, "charts": charts,
                                     "version": __version__, "ROWS": ROWS}
        self.environment.filters |= {"number": numbers.text, "key": "{:.7g}".format}

    def write(self, file: str, template: str, **content: Any) -> None:
        """Render `template` into `file`, a path below the site's folder."""
        root = "../" * file.count("/")
        text = self.environment.get_template(template).render(root=root, **content)
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "replace"))
