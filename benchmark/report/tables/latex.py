"""Tables for papers: LaTeX with booktabs."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.tables.layout import MISSING, Text, layout, missing_runs, notes, one_line
from benchmark.report.tables.table import Table

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$", "Δ": r"$\Delta$", "δ": r"$\delta$", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "°": r"$^\circ$", "—": "---",
}


def latex(tables: Sequence[Table]) -> str:
    """One table environment each; needs `\\usepackage{booktabs}`. Holes follow as comments.

    The best of a column is bold, the second best underlined.
    """
    return "\n".join(_one(table) for table in tables)


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return "".join(SPECIAL.get(character, character) for character in text)


def _one(table: Table) -> str:
    shown = layout(table)
    about = " ".join([f"{table.title}.", table.caption, *(f"{note}." for note in notes(table))])
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escaped(one_line(about))}}}",
             rf"\begin{{tabular}}{{ll{'r' * (len(shown.headings) - 2)}}}", r"\toprule",
             _row([escaped(name) for name in shown.headings])]
    for block in shown.blocks:
        lines += [r"\midrule", *(_line(line) for line in block)]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    lines += [f"% missing: {command}" for command in missing_runs(table)]
    return "\n".join([*lines, ""])


def _row(cells: Sequence[str]) -> str:
    # After the row before, "[" and "*" would be read as arguments of its line break.
    guard = "{}" if cells[0].startswith(("[", "*")) else ""
    return f"{guard}{' & '.join(cells)} \\\\"


def _line(line: Sequence[Text]) -> str:
    return _row([_marked(line[0], escaped(line[0].text)),
                 *(_marked(cell, escaped(cell.text).replace("-", "$-$") if cell.text != MISSING
                           else escaped(cell.text)) for cell in line[1:])])


def _marked(cell: Text, text: str) -> str:
    if cell.strong:
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if cell.underlined else text
