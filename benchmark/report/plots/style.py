"""The look of every plot: colours the colour-blind can tell apart, markers and lines that differ
without colour, text that is read at the printed size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    "figure.titlesize": 10, "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.linewidth": 0.6, "axes.edgecolor": GREY,
    "xtick.color": GREY, "ytick.color": GREY, "xtick.labelcolor": "black",
    "ytick.labelcolor": "black", "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": "#E5E5E5", "grid.linewidth": 0.6,
    "axes.axisbelow": True, "lines.linewidth": 1.4, "lines.markersize": 4.2, "savefig.dpi": 160,
    "pdf.fonttype": 42, "axes.unicode_minus": True,
    "text.parse_math": False,  # a name is shown as it is, dollar signs and all
}


@dataclass(frozen=True)
class Look:
    """How one method is drawn in every panel."""

    colour: str
    marker: str
    dash: Any


REFERENCE_LOOK = Look("black", "x", "-")
"""The method that the others are measured against."""


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """A look for each label; no two share both colour and marker among the first 77."""
    return {label: Look(COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)],
                        DASHES[index // len(COLOURS) % len(DASHES)])
            for index, label in enumerate(labels)}


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart, as near to `wanted` as can be, within low and high.

    Neighbours that would touch move apart together (pooling, as in isotonic regression). Where
    low and high leave too little room the gap wins, and positions run over both ends alike.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        mean, count = wanted[index] - rank * gap, 1
        while pools and pools[-1][0] >= mean:
            before, size = pools.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        pools.append((mean, count))
    placed = [mean for mean, count in pools for _ in range(count)]
    room = high - (len(wanted) - 1) * gap
    if room < low:
        low = room = (low + room) / 2
    positions = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        positions[index] = min(max(placed[rank], low), room) + rank * gap
    return positions
