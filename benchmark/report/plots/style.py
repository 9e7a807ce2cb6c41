"""The look of every plot: colours the colour-blind can tell apart, markers and lines that differ
without colour, text that is read at the printed size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.report.runs.grid import BASELINES, Grid

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Okabe and Ito (2008), without the yellow that vanishes on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C5109")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "*")
DASHES = ("-", (0, (5, 1.2)), (0, (1.2, 1)), (0, (6, 1.2, 1.2, 1.2)))
GREY = "#666666"
"""Bounds and what is said beside the data."""
FAINT = "#BDBDBD"
"""Methods that are shown for their range, not one by one."""
DIVERGING = "RdBu"
"""A matplotlib colour map from worse (red) over unchanged (white) to better (blue)."""
TEXT_SIZE, PANEL_TITLE_SIZE, TITLE_SIZE = 7.5, 8.5, 9.5
"""Points."""

SETTINGS: dict[RcKeyType, Any] = {
    "font.size": TEXT_SIZE, "axes.titlesize": PANEL_TITLE_SIZE, "axes.labelsize": TEXT_SIZE,
    "legend.fontsize": TEXT_SIZE, "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.linewidth": 0.6, "axes.edgecolor": GREY,
    "xtick.color": GREY, "ytick.color": GREY, "xtick.labelcolor": "black",
    "ytick.labelcolor": "black", "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": "#E5E5E5", "grid.linewidth": 0.6,
    "axes.axisbelow": True, "lines.linewidth": 1.4, "lines.markersize": 4.2,
    "figure.dpi": 160, "savefig.dpi": "figure",  # texts are measured as they are drawn
    "figure.constrained_layout.h_pad": 0.03, "figure.constrained_layout.w_pad": 0.05,
    "figure.constrained_layout.hspace": 0.05, "figure.constrained_layout.wspace": 0.02,
    "pdf.fonttype": 42, "axes.unicode_minus": True,
    "text.parse_math": False,  # a name is shown as it is, dollar signs and all
}

REFERENCE = BASELINES[0]
"""The method that gains are measured against unless another is asked for."""


@dataclass(frozen=True)
class Look:
    """How one method is drawn in every figure."""

    colour: str
    marker: str
    dash: Any
    filled: bool = True


REFERENCE_LOOK = Look("black", "x", "-")
BOUND_LOOK = Look(GREY, "s", (0, (4, 3)), filled=False)

Looks = Mapping[str, Look]
"""Label -> look."""


def looks_of(grids: Iterable[Grid]) -> dict[str, Look]:
    """A look for every method of `grids`, in the order of labels, so that a method keeps its look
    from figure to figure; no two lifelong ones share both colour and marker among the first 77."""
    bound = {method.label: method.bound for grid in grids for method in grid.methods}
    others = sorted(label for label in bound if not bound[label] and label != REFERENCE)
    return {label: BOUND_LOOK if bound[label] else REFERENCE_LOOK for label in bound} | {
        label: _look(index) for index, label in enumerate(others)}


def task_looks(tasks: Iterable[str]) -> dict[str, Look]:
    """A look for every task, in their order."""
    return {task: _look(index) for index, task in enumerate(tasks)}


def _look(index: int) -> Look:
    return Look(COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)],
                DASHES[index // len(COLOURS) % len(DASHES)])
