"""Tables for papers: LaTeX with booktabs."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.layout import Text, layout, missing_runs, notes
from benchmark.report.table import Table

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$", "Δ": r"$\Delta$", "δ": r"$\delta$", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "°": r"$^\circ$", "—": "---",
}


def latex(tables: Sequence[Table]) -> str:
    """One table environment each; needs `\\usepackage{booktabs}`. Holes follow as comments."""
    return "\n".join(_one(table) for table in tables)


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return "".join(SPECIAL.get(character, character) for character in text)


def _one(table: Table) -> str:
    shown = layout(table)
    about = " ".join([f"{table.title}.", table.caption, *(f"{note}." for note in notes(table))])
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escaped(about)}}}",
             rf"\begin{{tabular}}{{ll{'r' * (len(shown.headings) - 2)}}}", r"\toprule",
             _row([escaped(name) for name in shown.headings])]
    for block in shown.blocks:
        lines += [r"\midrule", *(_row([_cell(cell) for cell in line]) for line in block)]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    lines += [f"% missing: {command}" for command in missing_runs(table)]
    return "\n".join([*lines, ""])


def _row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _cell(cell: Text) -> str:
    return rf"\textbf{{{escaped(cell.text)}}}" if cell.strong else escaped(cell.text)
