"""PASCAL-Context: edges against a slow reference, and the package they need."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data.sources import pascal_context
from benchmark.data.sources.prepared import prepare
from benchmark.errors import RequestError
from tests.helpers.make_pascal_context import (
    NUMBERS,
    TRAIN,
    VAL,
    file,
    pixels,
    write_context,
    write_pascal_mt,
)


def laplacian(labels: NDArray[Any], row: int, column: int) -> int:
    """Over the four neighbours; beyond the border the pixel on the other side of the centre."""
    height, width = labels.shape
    total = -4 * int(labels[row, column])
    for away in (-1, 1):
        down = row + away if 0 <= row + away < height else row - away
        right = column + away if 0 <= column + away < width else column - away
        total += int(labels[down, column]) + int(labels[row, right])
    return total


def thinned(image: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Guo and Hall's parallel thinning, written out: neighbours counted from the east."""
    steps = [(0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1)]

    def gone(padded: NDArray[np.bool_], row: int, column: int, second: bool) -> bool:
        x = [bool(padded[row + down, column + right]) for down, right in steps]
        crossings = sum(not x[i] and (x[i + 1] or x[(i + 2) % 8]) for i in (0, 2, 4, 6))
        pairs = sum(x[i] or x[i + 1] for i in (0, 2, 4, 6))
        others = sum(x[i + 1] or x[(i + 2) % 8] for i in (0, 2, 4, 6))
        last = ((x[5] or x[6] or not x[3]) and x[4] if second
                else (x[1] or x[2] or not x[7]) and x[0])
        return crossings == 1 and 2 <= min(pairs, others) <= 3 and not last

    left = image.copy()
    while True:
        before = left.copy()
        for second in (False, True):
            padded = np.pad(left, 1)
            for row, column in np.argwhere(left):
                if gone(padded, row + 1, column + 1, second):
                    left[row, column] = False
        if (left == before).all():
            return left


def regions(size: tuple[int, int]) -> NDArray[np.uint16]:
    """Four classes, the borders between them straight, slanted and round."""
    row, column = np.indices(size)
    labels = np.where(column > size[1] // 2, NUMBERS["wall"], NUMBERS["sky"])
    labels[row + column < 7] = 0
    labels[(row - 14) ** 2 + (column - 9) ** 2 < 30] = NUMBERS["person"]
    return labels.astype(np.uint16)


ROW, COLUMN = np.indices((20, 24))
MAPS: dict[str, NDArray[Any]] = {
    "regions": regions((20, 24)),
    "noise": pixels("edge", TRAIN[0], (20, 24)),
    "one class": np.full((20, 24), 5),
    "a Laplacian of 0 inside": ROW + COLUMN,
    "a Laplacian of 0 in the first row": 200 + ROW - (COLUMN - 12) ** 2,
}


@pytest.mark.parametrize("labels", MAPS.values(), ids=MAPS.keys())
def test_edges_against_a_slow_reference(tmp_path: Path, labels: NDArray[Any]) -> None:
    size = labels.shape
    write_pascal_mt(tmp_path, sizes=dict.fromkeys((*TRAIN, *VAL), size), tasks=("edge",))
    write_context(file(tmp_path, "edge", TRAIN[0]), labels.astype(np.uint16))
    changes = np.array([[laplacian(labels, row, column) != 0 for column in range(size[1])]
                        for row in range(size[0])])
    config = pascal_context.Config(size=size)
    edge = prepare(pascal_context, config, tmp_path, tmp_path, 2)[0].values("train", "edge")[0]
    np.testing.assert_array_equal(edge, thinned(changes).astype(np.uint8))
    assert edge.any() == changes.any()


def test_thinning_takes_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.morphology", None)
    write_pascal_mt(tmp_path, tasks=("sal", "edge"))
    with pytest.raises(RequestError, match=r"edge of pascal_context needs .* skimage: .*pascal"):
        prepare(pascal_context, pascal_context.Config(), tmp_path, tmp_path, 2)
    assert not (tmp_path / "prepared").exists()
