"""Figures of made-up runs, and what can be read off them."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.report.plots import figures


def figure_of(kind, maker, sequences=None, methods=(), baseline=None) -> Figure:
    """The one figure of a kind that the runs of `maker` make."""
    ((_, figure),) = figures(kind, maker.collection(), sequences, methods, baseline)
    return figure


def texts(axes: Axes) -> list[str]:
    """What is written on axes."""
    return [text.get_text() for text in axes.texts]
