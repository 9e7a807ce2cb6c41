"""Text tables in the formats people read, and rows of data in those programs read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from benchmark.errors import unknown
from benchmark.files import readable_json
from benchmark.report.runs.frame import csv_cell
from benchmark.report.tables.table import Table, table_content, table_rows
from benchmark.report.tables.text import RowBlock, TextCell, TextTable, text_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

PADDING = 3
"""Characters between two columns on a terminal."""

MINUS = re.compile(r"(?<!\w)-(?=\d)")
"""A hyphen that is the sign of a number."""

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$", "Δ": r"$\Delta$", "δ": r"$\delta$", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "°": r"$^\circ$", "—": "---",
}


def render(tables: Sequence[Table], format: str = "rich",
           console: Console | None = None) -> str | None:
    """Print `tables` on `console` (format `rich`), or return them as text (any other format).

    Raises `RequestError` for a format that is none of rich, md, csv, latex, html and json.
    """
    return render_as(format, [text_table(table) for table in tables],
                     lambda: [row for table in tables for row in table_rows(table)],
                     lambda: [table_content(table) for table in tables], console)


def render_as(format: str, tables: Sequence[TextTable], rows: Callable[[], list[dict[str, Any]]],
              content: Callable[[], Any], console: Console | None = None) -> str | None:
    """As `render`: formats for people from `tables`, csv from `rows`, json from `content`."""
    if format == "rich":
        print_tables(tables, console)
        return None
    if format == "csv":
        return csv_text(rows())
    if format == "json":
        return readable_json(content()) + "\n"
    if format not in FORMATS:
        raise unknown("format", format, ["rich", *FORMATS, "csv", "json"])
    return "\n".join(FORMATS[format](table) for table in tables)


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of one set of keys as comma-separated values, empty where None."""
    buffer = io.StringIO()
    if rows:
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(map(csv_cell, rows[0]))
        writer.writerows(map(csv_cell, row.values()) for row in rows)
    return buffer.getvalue()


# -- Markdown -----------------------------------------------------------------------------------


def markdown(table: TextTable) -> str:
    """A heading, a table with bounds in italics, caption, notes, and missing runs.

    The best of a column is bold; Markdown has no underline for the second best.
    """
    rule = [":--"] * table.left + ["--:"] * (len(table.headings) - table.left)
    lines = [f"## {_markdown_text(table.title)}", "",
             _pipes([_markdown_text(name) for name in table.headings]), _pipes(rule),
             *(_markdown_row(row, block) for block in table.blocks for row in block.rows), ""]
    lines += [_markdown_text(table.caption), ""] if table.caption else []
    lines += [*(f"- {_markdown_text(note)}" for note in table.notes), ""] if table.notes else []
    if table.commands:
        lines += ["Missing runs:", "", *(f"    {command}" for command in table.commands), ""]
    return "\n".join(lines)


def _markdown_row(row: Sequence[TextCell], block: RowBlock) -> str:
    cells = [f"**{_markdown_text(cell.text)}**" if cell.strong else _markdown_text(cell.text)
             for cell in row]
    return _pipes([f"*{cells[0]}*", *cells[1:]] if block.italic else cells)


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    for character in "\\`*_[]|<>#":
        text = text.replace(character, f"\\{character}")
    return text


# -- LaTeX --------------------------------------------------------------------------------------


def latex(table: TextTable) -> str:
    """A table environment; needs `\\usepackage{booktabs}`. Missing runs follow as comments.

    The best of a column is bold, the second best underlined.
    """
    about = " ".join([f"{table.title}.", *filter(None, [table.caption]),
                      *(note if note.endswith(".") else f"{note}." for note in table.notes)])
    left = max(2, table.left)
    columns = "l" * left + "r" * (len(table.headings) - left)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(about)}}}",
             rf"\begin{{tabular}}{{{columns}}}", r"\toprule",
             _latex_row([latex_text(name) for name in table.headings])]
    for block in table.blocks:
        lines += [r"\midrule", *(_latex_row(_latex_cells(row, table.left)) for row in block.rows)]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    lines += [f"% missing: {command}" for command in table.commands]
    return "\n".join([*lines, ""])


def latex_text(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return "".join(LATEX.get(character, character) for character in text)


def _latex_row(cells: Sequence[str]) -> str:
    # After the row before, "[" and "*" would be read as arguments of its line break.
    guard = "{}" if cells[0].startswith(("[", "*")) else ""
    return f"{guard}{' & '.join(cells)} \\\\"


def _latex_cells(row: Sequence[TextCell], left: int) -> list[str]:
    cells = []
    for index, cell in enumerate(row):
        text = latex_text(cell.text)
        if index >= left:
            text = MINUS.sub("$-$", text)
        text = rf"\textbf{{{text}}}" if cell.strong else text
        cells.append(rf"\underline{{{text}}}" if cell.underlined else text)
    return cells


# -- HTML ---------------------------------------------------------------------------------------


def html(table: TextTable) -> str:
    """A fragment: a <figure> with a <tbody> per block.

    The best of a column is <strong>, the second best underlined.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.headings)
    parts = ["<figure>", "<table>", f"<caption>{escape(table.title)}</caption>",
             f"<thead><tr>{head}</tr></thead>"]
    for block in table.blocks:
        rows = "\n".join(_html_row(row) for row in block.rows)
        group = f' class="{block.group}"' if block.group else ""
        parts.append(f"<tbody{group}>\n{rows}\n</tbody>")
    parts.append("</table>")
    if table.caption:
        parts.append(f"<figcaption>{escape(table.caption)}</figcaption>")
    if table.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
        parts.append(f'<ul class="notes">{items}</ul>')
    if table.commands:
        commands = escape("\n".join(table.commands))
        parts.append(f'<p>Missing runs:</p>\n<pre class="missing">{commands}</pre>')
    return "\n".join([*parts, "</figure>", ""])


def _html_row(row: Sequence[TextCell]) -> str:
    cells = [_html_cell(cell) for cell in row]
    data = "".join(f"<td>{cell}</td>" for cell in cells[1:])
    return f'<tr><th scope="row">{cells[0]}</th>{data}</tr>'


def _html_cell(cell: TextCell) -> str:
    text = escape(cell.text)
    if cell.strong:
        return f"<strong>{text}</strong>"
    return f"<u>{text}</u>" if cell.underlined else text


FORMATS: dict[str, Callable[[TextTable], str]] = {"md": markdown, "latex": latex, "html": html}


# -- terminal -----------------------------------------------------------------------------------


def print_tables(tables: Sequence[TextTable], console: Console | None = None) -> None:
    """Print tables on a terminal; one too wide for it is cut into several, under one title."""
    from rich.console import Console
    from rich.text import Text

    out = console or Console()
    for table in tables:
        out.print(Text(table.title, style="bold"))
        for columns in _cuts(table, out.width):
            out.print()
            out.print(_rich_table(table, columns))
        out.print()
        if table.caption:
            out.print(Text(table.caption, style="dim"))
        for note in table.notes:
            warning = f"note: {note}" if table.caption else note
            out.print(Text(warning, style="yellow" if table.caption else "dim"))
        if table.commands:
            out.print(Text("missing runs:", style="yellow"))
        for command in table.commands:  # never wrapped: they are there to be copied
            out.print(Text(f"  {command}"), soft_wrap=True)
        out.print()


def _cuts(table: TextTable, width: int) -> Iterator[list[int]]:
    """Columns of each part, by index: the labels in all, the others from left to right."""
    labels = list(range(table.labels))
    first = sum(_width(table, index) + PADDING for index in labels)
    used, columns = first, labels
    for index in range(table.labels, len(table.headings)):
        needed = _width(table, index) + PADDING
        if used + needed > width and len(columns) > table.labels:
            yield columns
            used, columns = first, labels
        used, columns = used + needed, [*columns, index]
    yield columns


def _width(table: TextTable, index: int) -> int:
    """Headings may wrap between words, cells may not."""
    cells = [len(row[index].text) for block in table.blocks for row in block.rows]
    return max([*cells, *map(len, table.headings[index].split())], default=0)


def _rich_table(table: TextTable, columns: Sequence[int]) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index in columns:
        shown.add_column(Text(table.headings[index]), width=_width(table, index),
                         justify="right" if index >= table.left else "left", vertical="bottom",
                         overflow="fold")
    for block in table.blocks:
        for row in block.rows:
            cells = [Text(row[index].text, style=_style(row[index])) for index in columns]
            if block.repeats and row is not block.rows[0]:
                cells[0] = Text("")
            shown.add_row(*cells, end_section=row is block.rows[-1])
    return shown


def _style(cell: TextCell) -> str:
    return "bold" if cell.strong else "underline" if cell.underlined else ""
