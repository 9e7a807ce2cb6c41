"""Figures of pictures: blocks of rows and columns, each with a key to its colours below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import BboxImage
from matplotlib.legend_handler import HandlerBase
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox, TransformedBbox

from benchmark.report.plots.figure import new_figure, text_width, wrapped
from benchmark.report.plots.style import SETTINGS, TEXT_SIZE
from benchmark.tasks.appearance import (
    ClassLegend,
    ColourBar,
    ColourKey,
    PictureKey,
    Pixels,
    Sentence,
)

WIDTH, GAP = 1.2, 0.06
"""Inches of a picture and between two of them."""
LINE = TEXT_SIZE * 1.3 / 72
"""Inches of a line of text."""
BETWEEN = 0.15
"""Inches between two blocks."""
BAR = 2.0
"""Inches of a colour bar."""
SQUARE = 36
"""Points of the sides of a picture in a key."""
_ALONE = 5.0
"""Most inches of the lines of a key that stands alone."""


@dataclass(frozen=True)
class PictureBlock:
    """Pictures of one size under a heading."""

    heading: str
    columns: Mapping[str, Pixels | None]
    """By what stands above it, a column of pictures [N, H, W, 3]; None leaves it free."""
    key: ColourKey | None = None

    @property
    def size(self) -> tuple[int, int, int]:
        """How many pictures stand below each other, and pixels of their height and width."""
        rows, high, wide, _ = next(each for each in self.columns.values() if each is not None
                                   ).shape
        return rows, high, wide

    @property
    def titles(self) -> list[str]:
        """What stands above the columns, in lines that fit them."""
        return ["\n".join(wrapped(line, WIDTH) for line in title.split("\n"))
                for title in self.columns]

    def height(self, width: float) -> float:
        """Inches that the block needs when it is `width` wide."""
        rows, high, wide = self.size
        titles = 1 + max(title.count("\n") for title in self.titles)
        return (rows * (WIDTH * high / wide + GAP) + (titles + 1) * LINE + BETWEEN
                + (_key_height(self.key, width) if self.key else 0))


def figure_of_blocks(title: str, about: str, blocks: Sequence[PictureBlock]) -> Figure:
    """A figure of blocks below each other."""
    width = max(len(block.columns) for block in blocks) * (WIDTH + GAP) + 0.2
    heights = [block.height(width) for block in blocks]
    figure = new_figure(title, about, width, sum(heights), w_pad=GAP / 2, h_pad=GAP / 2,
                        wspace=0, hspace=0)
    parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False).ravel()
    columns = max(len(block.columns) for block in blocks)
    for part, block in zip(parts, blocks, strict=True):
        _draw_block(part, block, columns, width)
    return figure


def key_figure(key: ColourKey) -> Figure:
    """A figure of a key alone, as wide as its content needs when it is saved cropped."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(BAR if isinstance(key, ColourBar) else _ALONE, 1.0))
        if isinstance(key, ColourBar):
            place = figure.add_axes((0.05, 0.6, 0.9, 0.15))
            _label_bar(figure.colorbar(_scale(key), cax=place, orientation="horizontal"), key)
        else:
            figure.set_layout_engine("constrained")
            _draw_key(figure, [], key, _ALONE)
    return figure


def _draw_block(part: SubFigure, block: PictureBlock, columns: int, width: float) -> None:
    rows, _, _ = block.size
    part.suptitle(block.heading, x=0, ha="left", fontweight="bold",
                  fontsize=TEXT_SIZE)
    panels = part.subplots(rows, columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
        axes.set_anchor("NW")
    for column, (title, pictures) in enumerate(zip(block.titles, block.columns.values(),
                                                   strict=True)):
        if pictures is not None:
            panels[0, column].set_title(title, fontsize=TEXT_SIZE, pad=3)
            for axes, pixels in zip(panels[:, column], pictures, strict=True):
                axes.imshow(pixels, interpolation="nearest")
    if block.key:
        _draw_key(part, panels.ravel().tolist(), block.key, width)


def _key_height(key: ColourKey, width: float) -> float:
    match key:
        case ClassLegend(names):
            return LINE * ceil(len(names) / _legend_columns(names, width)) + 0.1
        case PictureKey():
            return SQUARE / 72 + 0.1
        case ColourBar():
            return 3.5 * LINE
        case Sentence():
            return LINE + 0.1


def _legend_columns(names: Sequence[str], width: float) -> int:
    """As few as the fewest lines take."""
    most = max(1, int(width / (0.45 + max(map(text_width, names), default=0.0))))
    return max(1, ceil(len(names) / max(1, ceil(len(names) / most))))


def _draw_key(part: SubFigure | Figure, pictures: list[Axes], key: ColourKey, width: float) -> None:
    """Draw a key below pictures."""
    place: dict[str, Any] = {"loc": "outside lower left", "frameon": False, "borderpad": 0,
                             "borderaxespad": 0.4, "fontsize": TEXT_SIZE}
    match key:
        case ClassLegend(names, colours):
            patches = [Patch(color=(red / 255, green / 255, blue / 255))
                       for red, green, blue in colours]
            part.legend(patches, names, ncols=_legend_columns(names, width), handlelength=1.4,
                        handletextpad=0.5, columnspacing=1.5, **place)
        case ColourBar():
            _label_bar(part.colorbar(_scale(key), ax=pictures, location="bottom",
                                     anchor=(0.02, 0), shrink=min(0.9, BAR / width), aspect=20,
                                     pad=0.02), key)
        case PictureKey(pixels, caption):
            side = SQUARE / TEXT_SIZE  # a handle of height h is drawn 0.65 h + 0.245 high
            part.legend([Patch()], [caption], handler_map={Patch: _PictureHandler(pixels)},
                        handlelength=side, handleheight=(side - 0.245) / 0.65, **place)
        case Sentence(text):
            part.legend([Patch(alpha=0)], [text], handlelength=0, handletextpad=0, **place)


def _scale(key: ColourBar) -> ScalarMappable:
    low, high = key.limits
    return ScalarMappable(Normalize(low, high if high > low else low + 1), key.colour_map)


def _label_bar(bar: Colorbar, key: ColourBar) -> None:
    bar.ax.locator_params(axis="x", nbins=4)
    bar.set_label(key.label)


class _PictureHandler(HandlerBase):
    """Shows a picture where a legend has the sample of a line."""

    def __init__(self, pixels: Pixels) -> None:
        """`pixels` are those of a square picture."""
        super().__init__()
        self.pixels = pixels

    def create_artists(self, legend: Any, orig_handle: Artist, xdescent: float, ydescent: float,
                       width: float, height: float, fontsize: float, trans: Any) -> list[Artist]:
        place = Bbox.from_bounds(-xdescent, -ydescent, width, height)
        picture = BboxImage(TransformedBbox(place, trans), interpolation="nearest")
        picture.set_data(self.pixels)
        return [picture]
