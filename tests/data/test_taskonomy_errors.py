"""Wrong copies of Taskonomy: one message that names the file, and nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data.sources import taskonomy
from benchmark.data.sources.prepared import prepare
from benchmark.errors import DataError, RequestError
from tests.helpers.make_taskonomy import file, write_official, write_png

SOME = {"buildings": ("hanson", "ihlen"), "size": (6, 8)}


def refused(copy: Path, error: type[Exception] = DataError, **options: Any) -> str:
    """The message that `prepare` refuses the copy with."""
    root = copy.parent / "stores"
    with pytest.raises(error) as caught:
        prepare(taskonomy, taskonomy.Config(**(SOME | options)), copy, root, workers=2)
    assert [path for path in root.glob("prepared/*") if path.suffix != ".lock"] == []
    return str(caught.value)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    write_official(tmp_path / "copy")
    return tmp_path / "copy"


GREY8, GREY16 = np.full((6, 8), 9, np.uint8), np.full((6, 8), 9, np.uint16)
RGB8 = np.full((6, 8, 3), 9, np.uint8)
CONTENT: dict[str, tuple[str, NDArray[Any], str]] = {
    "8 bits where 16 belong": ("depth_zbuffer", GREY8, "8-bit grey"),
    "16 bits where 8 belong": ("segment_semantic", GREY16, "16-bit grey"),
    "grey where colour belongs": ("reshading", GREY8, "8-bit grey"),
    "colour where grey belongs": ("keypoints3d", RGB8, "8-bit RGB"),
    "colour classes": ("segment_semantic", RGB8, "8-bit RGB"),
    "a class that does not exist": ("segment_semantic", GREY8 + 9, "has the value 18"),
    "another size": ("principal_curvature", np.zeros((8, 6, 3), np.uint8), "8 x 6"),
    "classes of another size": ("segment_semantic", np.zeros((3, 4), np.uint8), "3 x 4"),
    "vectors that are none": ("normal", RGB8 + 120, "median length"),
}


@pytest.mark.parametrize("case", CONTENT)
def test_files_of_another_form(copy: Path, case: str) -> None:
    task, stored, fragment = CONTENT[case]
    path = file(copy, task, "ihlen", 0, 1)
    write_png(path, stored)
    message = refused(copy)
    assert str(path) in message and fragment in message


@pytest.mark.parametrize("task", ["rgb", "segment_semantic", "normal", "edge_texture"])
def test_damaged_files(copy: Path, task: str) -> None:
    path = file(copy, task, "hanson", 0, 1)
    path.write_bytes(path.read_bytes()[:-40])
    assert str(path) in refused(copy)


def test_missing_label_of_one_view(copy: Path) -> None:
    path = file(copy, "segment_semantic", "ihlen", 0, 1)
    path.unlink()
    message = refused(copy)
    assert f"{path} is missing" in message
    assert "--set skip=[ihlen/point_0_view_1]" in message and "missing=skip" in message


def test_missing_label_folder_of_one_building(copy: Path) -> None:
    shutil.rmtree(copy / "reshading" / "ihlen")
    assert f"{file(copy, 'reshading', 'ihlen', 0, 0)} is missing" in refused(copy)
    message = refused(copy, missing="skip")
    assert str(copy) in message and "not one of the eval images in ihlen" in message


def test_missing_building(copy: Path) -> None:
    message = refused(copy, buildings=("hanson", "merom", "onaga", "ihlen"))
    assert f"there is no folder {copy / 'rgb' / 'merom'}" in message
    assert "--set buildings=[a,b]" in message and "--set skip=[merom,onaga]" in message


def test_building_without_images(copy: Path) -> None:
    for path in (copy / "rgb" / "hanson").iterdir():
        path.rename(path.with_name("." + path.name))
    assert f"{copy / 'rgb' / 'hanson'} has no image" in refused(copy)


def test_images_without_any_label(copy: Path) -> None:
    for folder in copy.iterdir():
        if folder.name != "rgb":
            shutil.rmtree(folder)
    message = refused(copy)
    assert "no labels" in message and str(copy / "normal" / "hanson") in message


def test_a_folder_that_holds_something_else(copy: Path) -> None:
    message = refused(copy / "rgb")
    assert str(copy / "rgb") in message and "official: rgb/hanson/point_0_view_0" in message


@pytest.mark.parametrize(("options", "fragments"), [
    ({"buildings": ("hansom", "ihlen")}, ("'hansom'", "hanson")),
    ({"skip": ("mcdad",)}, ("'mcdad'", "mcdade")),
    ({"skip": ("../point_0_view_0",)}, ("'..'",)),
    ({"buildings": ("hanson",)}, ("eval split", "ihlen, muleshoe")),
    ({"eval": "val"}, ("eval split", "wiconisco, corozal")),
    ({"skip": ("hanson",)}, ("train split", "merom"))])
def test_wrong_choices_of_buildings(copy: Path, options: Any, fragments: tuple[str, ...]) -> None:
    message = refused(copy, RequestError, **options)
    for fragment in fragments:
        assert fragment in message
