"""Wrong copies of Cityscapes: one message that names the file, and nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data.sources import cityscapes
from benchmark.data.sources.prepared import open_prepared, prepare
from benchmark.data.sources.source import DataPaths
from benchmark.errors import DataError, RequestError
from tests.helpers.make_cityscapes import (
    FRAMES,
    SIZE,
    file,
    write_hub,
    write_mtan,
    write_official,
    write_png,
)

FRAME = ("val", "munster", "000002_000019")


def refused(copy: Path, **options: Any) -> str:
    """The message that `prepare` refuses the copy with."""
    root = copy.parent / "stores"
    with pytest.raises(DataError) as caught:
        prepare(cityscapes, cityscapes.Config(size=SIZE, **options), copy, root, workers=2)
    assert [path for path in root.glob("prepared/*") if path.suffix != ".lock"] == []
    return str(caught.value)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    write_official(tmp_path / "copy")
    return tmp_path / "copy"


def one_id(number: int) -> NDArray[np.uint8]:
    """An id at row 2, column 5, all others 0."""
    ids = np.zeros(SIZE, np.uint8)
    ids[2, 5] = number
    return ids


CONTENT: dict[str, tuple[str, NDArray[Any], tuple[str, ...]]] = {
    "an id that does not exist": ("gtFine", one_id(77), ("id 77 at row 2, column 5",)),
    "the first id that does not exist": ("gtFine", one_id(34), ("id 34", "0 to 33")),
    "instances": ("gtFine", one_id(7).astype(np.uint16), ("16-bit grey",)),
    "colours": ("gtFine", np.zeros((*SIZE, 3), np.uint8), ("8-bit RGB",)),
    "disparity of 8 bits": ("disparity", np.ones(SIZE, np.uint8), ("8-bit grey",)),
    "labels of another size": ("gtFine", np.zeros((3, 6), np.uint8), ("3 x 6", "6 x 12")),
    "disparity of another size": ("disparity", np.ones((12, 6), np.uint16), ("12 x 6", "6 x 12")),
    "an image of another size": ("leftImg8bit", np.ones((12, 6, 3), np.uint8),
                                 ("12 x 6", "6 x 12", "aachen")),
}


@pytest.mark.parametrize("case", CONTENT)
def test_files_of_another_form(copy: Path, case: str) -> None:
    kind, stored, fragments = CONTENT[case]
    path = file(copy, kind, *FRAME)
    write_png(path, stored)
    message = refused(copy)
    assert str(path) in message
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize("kind", ["leftImg8bit", "gtFine", "disparity"])
@pytest.mark.parametrize("frame", [FRAME, ("train", "aachen", "000001_000019")])
def test_damaged_files(copy: Path, kind: str, frame: tuple[str, str, str]) -> None:
    path = file(copy, kind, *frame)
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{path} is damaged" in refused(copy)


@pytest.mark.parametrize("kind", ["gtFine", "disparity"])
def test_a_city_that_misses_one_label(copy: Path, kind: str) -> None:
    path = file(copy, kind, "train", "bochum", "000000_000600")
    path.unlink()
    message = refused(copy)
    assert f"{path} is missing, the label of leftImg8bit/train/bochum/bochum_000000" in message


def test_labels_of_one_split_only(copy: Path) -> None:
    shutil.rmtree(copy / "gtFine" / "val")
    path = file(copy, "gtFine", "val", "lindau", "000000_000019")
    assert f"{path} is missing" in refused(copy)


def test_no_labels(copy: Path) -> None:
    shutil.rmtree(copy / "gtFine")
    shutil.rmtree(copy / "disparity")
    message = refused(copy)
    assert f"{copy} has images but no labels" in message and "gtFine" in message


def test_no_images_of_a_split(copy: Path) -> None:
    shutil.rmtree(copy / "leftImg8bit" / "val")
    assert f"{copy / 'leftImg8bit' / 'val'} has no image" in refused(copy)


def test_nothing_of_cityscapes(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    message = refused(tmp_path / "copy")
    assert "official: leftImg8bit/train" in message and "mtan: train/image/0.npy" in message


def test_disparities_that_were_not_valid_anywhere(copy: Path) -> None:
    for city, frame in FRAMES["val"]:
        write_png(file(copy, "disparity", "val", city, frame), np.zeros(SIZE, np.uint16))
    message = refused(copy)
    assert "task 'depth': not one pixel" in message and "lindau_000000_000019" in message


@pytest.mark.parametrize("value", [1, 126.5, -0.5])
def test_disparities_of_another_scale_in_a_copy_as_arrays(value: float, tmp_path: Path) -> None:
    write_mtan(tmp_path / "copy")
    path = tmp_path / "copy" / "train" / "depth" / "1.npy"
    depth = np.load(path)
    depth[2, 5] = value
    np.save(path, depth)
    message = refused(tmp_path / "copy")
    assert f"{path} has the value {value:g} at row 2, column 5" in message
    assert "divided by 65535" in message


def test_nineteen_classes_in_the_folder_for_seven(tmp_path: Path) -> None:
    write_mtan(tmp_path / "copy")
    for part in FRAMES:
        (tmp_path / "copy" / part / "label_19").rename(tmp_path / "copy" / part / "label")
        shutil.rmtree(tmp_path / "copy" / part / "label_7")
    message = refused(tmp_path / "copy")
    assert str(tmp_path / "copy" / "train" / "label" / "0.npy") in message
    assert "classes are 0 to 6" in message and "rename it label_19" in message


def test_two_layouts_in_one_root(copy: Path) -> None:
    write_mtan(copy)
    write_hub(copy)
    config, places = cityscapes.Config(size=SIZE), DataPaths(copy.parent / "cache", copy)
    with pytest.raises(RequestError) as caught:
        open_prepared(cityscapes, config, places)
    for recognised_by in (copy / "leftImg8bit" / "train", copy / "train" / "image",
                    copy / "data" / "train-00000-of-00001.parquet"):
        assert str(recognised_by) in str(caught.value)
    assert "--set layout=NAME" in str(caught.value)
    for layout in ("official", "mtan", "hub"):
        chosen = open_prepared(cityscapes, config.model_copy(update={"layout": layout}), places)
        assert chosen.manifest.source["layout"] == layout
