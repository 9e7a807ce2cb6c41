"""A small folder of images on disk, whose labels each test writes as it needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.config.yaml_file import validate
from benchmark.data.sources import folder
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store

MASK = {"kind": "segmentation", "files": "mask/*.png", "encoding": "index", "classes": 3}


class SmallFolder:
    """Images a, b, c and d of 4 x 6 pixels in rgb/, with class indices 0 to 2 in mask/."""

    def __init__(self, place: Path) -> None:
        self.root, self.cache = place / "photos", place / "cache"
        numbers = np.random.default_rng(0)
        self.images = {stem: numbers.integers(0, 256, (4, 6, 3), np.uint8) for stem in "abcd"}
        self.masks = {stem: numbers.integers(0, 3, (4, 6), np.uint8) for stem in "abcd"}
        for stem in "abcd":
            self.png(f"rgb/{stem}.png", self.images[stem])
            self.png(f"mask/{stem}.png", self.masks[stem])

    def png(self, name: str, pixels: NDArray[Any], mode: str | None = None) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path)
        return path

    def npy(self, name: str, values: NDArray[Any]) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values)
        return path

    def config(self, tasks: dict[str, Any] | None = None, **options: Any) -> folder.Config:
        block = {"name": "folder", "root": "photos", "images": "rgb/*.png",
                 "tasks": tasks or {"mask": MASK}, "split": {"eval": ["d"]}} | options
        return validate(folder.Config, block, "mine.yaml")

    def open(self, tasks: dict[str, Any] | None = None, **options: Any) -> Store:
        places = DataPaths(self.cache, family=self.root.parent)
        return folder.open_store(self.config(tasks, **options), places)

    def left_behind(self) -> list[str]:
        """What is in the cache, but for lock files."""
        return [path.name for path in (self.cache / "folder").glob("*") if path.suffix != ".lock"]


@pytest.fixture
def small(tmp_path: Path) -> SmallFolder:
    return SmallFolder(tmp_path)
