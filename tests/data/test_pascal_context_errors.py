"""Wrong copies of PASCAL_MT: one message that names the file, and nothing left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from benchmark.data.sources import pascal_context
from benchmark.data.sources.prepared import prepare
from benchmark.errors import DataError
from tests.helpers.make_pascal_context import (
    SIZE,
    TRAIN,
    VAL,
    box,
    file,
    pixels,
    write_context,
    write_parts,
    write_pascal_mt,
    write_png,
)

A, B = TRAIN
TRAIN_LIST, VAL_LIST = "ImageSets/Context/train.txt", "ImageSets/Context/val.txt"


def refused(copy: Path, **options: Any) -> str:
    """The message that `prepare` refuses the copy with."""
    root = copy.parent / "stores"
    with pytest.raises(DataError) as caught:
        prepare(pascal_context, pascal_context.Config(**({"size": SIZE} | options)), copy, root, 2)
    assert [path for path in root.glob("prepared/*") if path.suffix != ".lock"] == []
    return str(caught.value)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    write_pascal_mt(tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize(("text", "number", "fragment"), [
    ("2008_000008\n../2008_000033\n", 2, "is not the plain name"),
    ("2008_000008\n..\n", 2, "is not the plain name"),
    ("/etc/passwd\n", 1, "is not the plain name"),
    ("a\\b\n", 1, "is not the plain name"),
    ("2008_000008\n\n2008_000033\n", 2, "'' is not the plain name"),
    ("2008_000008 2\n", 1, "is not the plain name"),
    ("2008_000008\n2008_000033\n2008_000008\n", 3, "for the second time"),
    (f"{VAL[0]}\n{VAL[0]}\n", 2, "for the second time")])
@pytest.mark.parametrize("which", [TRAIN_LIST, VAL_LIST])
def test_names_in_the_lists(copy: Path, which: str, text: str, number: int,
                            fragment: str) -> None:
    (copy / TRAIN_LIST).write_text("2008_000099\n")
    (copy / which).write_text(text)
    message = refused(copy)
    assert f"{copy / which}, line {number}: " in message and fragment in message


def test_an_image_in_both_lists(copy: Path) -> None:
    (copy / VAL_LIST).write_text(f"{VAL[0]}\n{A}\n")
    message = refused(copy)
    assert f"{copy / VAL_LIST}, line 2: {A} stands there" in message
    assert f"first in {copy / TRAIN_LIST}, line 1" in message


def test_lists_that_are_none(copy: Path) -> None:
    (copy / VAL_LIST).write_text("")
    assert f"{copy / VAL_LIST} names no image" in refused(copy)
    (copy / VAL_LIST).write_bytes(b"\xff\xfe2\x000\x00")
    assert f"{copy / VAL_LIST} is no list of names" in refused(copy)
    (copy / VAL_LIST).unlink()
    assert f"{copy / VAL_LIST} cannot be read" in refused(copy)
    (copy / TRAIN_LIST).unlink()
    assert "pascal_context is not in" in refused(copy)


def test_missing_images_and_labels(copy: Path) -> None:
    for task in ("sal", "human_parts", "semseg", "normals", "edge"):
        path = file(copy, task, B)
        kept = path.read_bytes()
        path.unlink()
        message = refused(copy)
        assert f"{path} is missing, the label of {file(copy, 'image', B)}" in message
        assert f"task '{task}'" in message
        path.write_bytes(kept)
    file(copy, "image", VAL[0]).unlink()
    message = refused(copy)
    assert f"{file(copy, 'image', VAL[0])} is missing" in message
    assert f"{copy / VAL_LIST}, line 1" in message


def test_images_without_any_label(copy: Path) -> None:
    for folder in ("semseg", "human_parts", "sal_distill", "normals_distill", "pascal-context"):
        shutil.rmtree(copy / folder)
    assert f"{copy} has images but no labels" in refused(copy)


def test_normals_without_what_tells_where_they_count(copy: Path) -> None:
    (copy / "pascal-context" / "labels.txt").unlink()
    message = refused(copy)
    assert f"{copy / 'pascal-context' / 'labels.txt'} is missing" in message
    assert "normals=everywhere" in message and "1: accordion" in message
    shutil.rmtree(copy / "pascal-context")
    message = refused(copy)
    assert f"{copy / 'pascal-context' / 'trainval'} is missing" in message
    assert "normals=everywhere" in message


@pytest.mark.parametrize(("change", "fragment"), [
    (lambda text: text.replace(": wall\n", ": wal\n"), "does not name the class 'wall'"),
    (lambda text: text[:1000], "does not name the class"),
    (lambda text: text.replace("440: wall", "460: wall"), "gives 'wall' the number 460"),
    (lambda text: text.replace("1: accordion", "accordion"), "is not the list"),
    (lambda text: "", "does not name the class 'air conditioner'")])
def test_names_of_the_classes(copy: Path, change: Callable[[str], str], fragment: str) -> None:
    path = copy / "pascal-context" / "labels.txt"
    path.write_text(change(path.read_text()))
    message = refused(copy)
    assert str(path) in message and fragment in message


@pytest.mark.parametrize("text", ["[1, 2]", '{"wall": []}', '{"wall": Infinity}', "{", "\x00"])
def test_names_that_are_no_such_json(copy: Path, text: str) -> None:
    (copy / "pascal-context" / "labels.txt").unlink()
    (copy / "context_classes.json").write_text(text)
    assert f"{copy / 'context_classes.json'} is not the list" in refused(copy)


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
@pytest.mark.parametrize("task", ["image", "semseg", "human_parts", "sal", "normals", "edge"])
def test_files_cut_short(copy: Path, task: str, share: float) -> None:
    path = file(copy, task, B)
    data = path.read_bytes()
    path.write_bytes(data[:int(share * len(data))])
    assert str(path) in refused(copy)


@pytest.mark.parametrize("task", ["human_parts", "edge"])
@pytest.mark.parametrize("content", [
    b"no MATLAB file", b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(600),
    b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + bytes(range(256))],
    ids=["text", "version 7.3", "noise"])
def test_mat_files_that_are_none(copy: Path, task: str, content: bytes) -> None:
    path = file(copy, task, VAL[0])
    path.write_bytes(content)
    message = refused(copy)
    assert str(path) in message and "copy it again" in message


GREY8, RGB8 = np.full(SIZE, 9, np.uint8), np.full((*SIZE, 3), 250, np.uint8)
CONTENT: dict[str, tuple[str, NDArray[Any], str]] = {
    "colours for classes": ("semseg", RGB8, "8-bit RGB"),
    "a class that does not exist": ("semseg", GREY8 + 12, "has the value 21"),
    "16 bits": ("semseg", GREY8.astype(np.uint16), "16-bit grey"),
    "colours for saliency": ("sal", RGB8, "8-bit RGB"),
    "grey normals": ("normals", GREY8, "8-bit grey"),
    "normals that are none": ("normals", RGB8 * 0 + 128, "median length"),
    "classes of another size": ("semseg", GREY8[1:], "6 x 9"),
    "saliency of another size": ("sal", GREY8.T.copy(), "9 x 7"),
    "normals of another size": ("normals", RGB8[:, 2:], "7 x 7"),
}


@pytest.mark.parametrize("case", CONTENT)
def test_png_files_of_another_form(copy: Path, case: str) -> None:
    task, stored, fragment = CONTENT[case]
    path = file(copy, task, VAL[0])
    write_png(path, stored)
    message = refused(copy)
    assert str(path) in message and fragment in message


@pytest.mark.parametrize(("labels", "fragment"), [
    (np.uint16(pixels("edge", B)[:, 1:]), "is 7 x 8"),
    (np.float64(pixels("edge", B)), "float64[7, 9]"),
    (np.zeros((*SIZE, 2), np.uint16), "uint16[7, 9, 2]"),
    (np.zeros((0, 0), np.uint16), "is 0 x 0"),
    (np.array([["a text"]]), "LabelMap holds <U6"),
    (np.full(SIZE, 460, np.uint16), "has the class 460 at row 0, column 0"),
    (np.full(SIZE, -1, np.int16), "has the class -1 at row 0, column 0")])
def test_context_maps_that_do_not_fit(copy: Path, labels: NDArray[Any], fragment: str) -> None:
    path = file(copy, "edge", B)
    write_context(path, labels)
    message = refused(copy)
    assert str(path) in message and fragment in message


def test_a_mask_of_another_size(copy: Path) -> None:
    path = file(copy, "human_parts", B)
    write_parts(path, [(15, [("nose", box((7, 8), slice(None), slice(None)))])], (7, 8))
    message = refused(copy)
    assert f"{path} is 7 x 8" in message and str(file(copy, "image", B)) in message


STRUCTS: dict[str, tuple[dict[str, Any], str]] = {
    "another variable": ({"annotation": 1}, "has no variable anno"),
    "a number": ({"anno": 3.0}, "anno is float64, no struct of 2 fields"),
    "an empty name for objects": ({"anno": {"imname": "a", "objects": "people"}},
                                  "objects is <U6, no struct of 4 fields"),
    "one field": ({"anno": {"imname": "a"}}, "no struct of 2 fields"),
    "short objects": ({"anno": {"imname": "a", "objects": {"class": "x", "class_ind": 15}}},
                      "no struct of 4 fields"),
}
OBJECT = {"class": "person", "class_ind": 15.0, "mask": np.ones(SIZE)}
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "a category in words": ({"class_ind": "person", "parts": []}, "class_ind is <U6"),
    "two categories": ({"class_ind": [15, 15], "parts": []}, "class_ind is "),
    "parts that are a number": ({"parts": 7.0}, "parts is float64, no struct of 2 fields"),
    "an unknown part": ({"parts": {"part_name": "wing", "mask": np.ones(SIZE)}},
                        "a person has the part 'wing'"),
    "a part by number": ({"parts": {"part_name": 3.0, "mask": np.ones(SIZE)}},
                         "a person has the part 3.0"),
    "two names of a part": ({"parts": {"part_name": np.array(["torso", "wings"]),
                                       "mask": np.ones(SIZE)}}, "a person has the part <U5[2]"),
    "a mask in words": ({"parts": {"part_name": "torso", "mask": "all"}}, "a mask is <U3"),
    "a mask of three axes": ({"parts": {"part_name": "torso", "mask": np.ones((7, 9, 2))}},
                             "a mask is float64[7, 9, 2]"),
}
STRUCTS |= {name: ({"anno": {"imname": "a", "objects": OBJECT | fields}}, fragment)
            for name, (fields, fragment) in FIELDS.items()}


@pytest.mark.parametrize("case", STRUCTS)
def test_structs_of_another_form(copy: Path, case: str) -> None:
    content, fragment = STRUCTS[case]
    path = file(copy, "human_parts", B)
    savemat(path, content)
    message = refused(copy)
    assert str(path) in message and fragment in message
