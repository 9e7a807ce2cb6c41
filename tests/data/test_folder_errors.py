"""Wrong folders: one message that names the file and what to change, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.errors import DataError, RequestError

MASK = {"kind": "segmentation", "files": "mask/*.png", "encoding": "index", "classes": 3}
DEPTH8 = {"kind": "regression", "files": "x/*.png", "encoding": "png8"}
DEPTH16 = {"kind": "regression", "files": "x/*.png", "encoding": "png16"}
NPY = {"kind": "regression", "files": "x/*.npy", "encoding": "npy"}
NORMAL = {"kind": "direction", "files": "x/*.npy", "encoding": "npy"}
GREY8, GREY16 = np.ones((4, 6), np.uint8), np.ones((4, 6), np.uint16)


def refused(small: Any, task: dict[str, Any] | None = None, **options: Any) -> str:
    """The message `open_store` refuses the folder with."""
    with pytest.raises(DataError) as error:
        small.open({"x": task} if task else None, **options)
    assert small.left_behind() == []
    return str(error.value)


def labels(small: Any, values: NDArray[Any], last: NDArray[Any] | None = None) -> None:
    """Label files x/a, x/b, x/c and x/d as PNG or, for what is no PNG, npy."""
    for stem in "abcd":
        array = last if stem == "d" and last is not None else values
        if array.dtype in (np.uint8, np.uint16):
            small.png(f"x/{stem}.png", array)
        small.npy(f"x/{stem}.npy", array)


CONTENT: dict[str, tuple[dict[str, Any], NDArray[Any], str, tuple[str, ...]]] = {
    "16 bits declared png8": (DEPTH8, GREY16, "a.png", ("16-bit grey", "encoding: png16")),
    "8 bits declared png16": (DEPTH16, GREY8, "a.png", ("8-bit grey", "encoding: png8")),
    "colour for one channel": (DEPTH8, np.ones((4, 6, 3), np.uint8), "a.png", ("8-bit RGB",)),
    "grey for three channels": (DEPTH8 | {"channels": 3}, GREY8, "a.png", ("8-bit grey", "RGB")),
    "alpha in a label": (DEPTH8, np.ones((4, 6, 4), np.uint8), "a.png", ("RGB+alpha",)),
    "16-bit indices": (MASK | {"files": "x/*.png"}, GREY16, "a.png", ("16-bit grey", "npy")),
    "colour indices": (MASK | {"files": "x/*.png"}, np.ones((4, 6, 3), np.uint8), "a.png",
                       ("8-bit RGB", "one 8-bit channel")),
    "label larger than its image": (DEPTH8, np.ones((8, 12), np.uint8), "a.png",
                                    ("8 x 12", "4 x 6", "rgb/a.png")),
    "npy smaller than its image": (NPY, np.ones((2, 3)), "a.npy", ("2 x 3", "rgb/a.png")),
    "npy channels": (NPY | {"channels": 2}, np.ones((4, 6, 3)), "a.npy",
                     ("[4, 6, 3]", "[H, W, 2]")),
    "npy of three axes for one": (NPY, np.ones((3, 4, 6)), "a.npy", ("[3, 4, 6]", "[H, W, 1]")),
    "npy of text": (NPY, np.full((4, 6), "far"), "a.npy", ("<U3", "real numbers")),
    "npy of complex numbers": (NPY, np.ones((4, 6), complex), "a.npy", ("complex128",)),
    "npy of objects": (NPY, np.full((4, 6), None), "a.npy", ("numpy.save",)),
    "fractions as indices": (MASK | {"files": "x/*.npy", "encoding": "npy"}, np.ones((4, 6)),
                             "a.npy", ("float64", "whole numbers")),
    "vectors of another length": (NORMAL, np.full((4, 6, 3), 128.0), "a.npy", ("222", "scale")),
    "depth of zero": (DEPTH16 | {"quantity": "depth"}, np.eye(4, 6, dtype=np.uint16), "a.png",
                      ("row 0, column 1", "invalid: 0")),
}


@pytest.mark.parametrize("case", CONTENT)
def test_content_that_does_not_fit(small: Any, case: str) -> None:
    task, values, name, fragments = CONTENT[case]
    labels(small, values)
    message = refused(small, task)
    assert str(small.root / "x" / name) in message
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize(("options", "allowed"), [
    ({"classes": 3}, "0, 1, 2;"), ({"classes": 2, "values": {0: 0, 255: 1}}, "0, 255;"),
    ({"classes": 2, "values": {0: 0}, "void": 2}, "0, 2;")])
@pytest.mark.parametrize("files", ["png", "npy"])
def test_values_without_a_class(small: Any, options: Any, allowed: str, files: str) -> None:
    wrong = np.zeros((4, 6), np.uint8 if files == "png" else np.int16)
    wrong[2, 5] = 77
    labels(small, wrong * 0, last=wrong)
    encoding = {"files": f"x/*.{files}", "encoding": "index" if files == "png" else "npy"}
    message = refused(small, MASK | encoding | options)
    assert str(small.root / "x" / f"d.{files}") in message
    assert "value 77 at row 2, column 5" in message and allowed in message


def damage(data: bytes) -> bytes:
    return data[:-40] + bytes(8) + data[-32:]


@pytest.mark.parametrize("spoil", [lambda data: data[:-20], lambda data: data[:20],
                                   lambda _: b"", lambda _: b"no picture", damage])
@pytest.mark.parametrize("name", ["rgb/b.png", "mask/b.png"])
def test_damaged_png(small: Any, name: str, spoil: Callable[[bytes], bytes]) -> None:
    path = small.root / name
    path.write_bytes(spoil(path.read_bytes()))
    message = refused(small)
    assert str(path) in message
    assert "copy it again" in message or "convert it" in message


def test_damaged_jpeg(small: Any) -> None:
    path = small.root / "rgb" / "b.jpg"
    Image.fromarray(small.images["b"]).save(path)
    path.write_bytes(path.read_bytes()[:-60])
    (small.root / "rgb" / "b.png").unlink()
    assert f"{path} is damaged" in refused(small, images="rgb/*")


@pytest.mark.parametrize("size", [0, 5, 100, 150])
def test_damaged_npy(small: Any, size: int) -> None:
    labels(small, np.ones((4, 6)))
    path = small.root / "x" / "c.npy"
    path.write_bytes(path.read_bytes()[:size])
    assert f"{path} is damaged" in refused(small, NPY)


def test_pickled_npy_is_never_loaded(small: Any) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return exec, ("raise SystemExit('loaded')",)

    labels(small, np.ones((4, 6)))
    bomb = np.empty((4, 6), object)
    bomb[0, 0] = Bomb()
    path = small.npy("x/b.npy", bomb)
    assert f"{path} is damaged or not an npy file of numbers" in refused(small, NPY)


def test_images_that_are_not_plain(small: Any) -> None:
    path = small.root / "rgb" / "b.png"
    clear = np.concatenate([small.images["b"], np.zeros((4, 6, 1), np.uint8)], axis=2)
    small.png("rgb/b.png", clear)
    assert f"{path} has transparent pixels" in refused(small)
    small.png("rgb/b.png", GREY16)
    assert f"{path} has 16 bits" in refused(small)
    Image.fromarray(small.images["b"]).save(path, format="GIF")
    assert f"{path} is neither a JPEG nor a PNG" in refused(small)
    Image.fromarray(small.images["b"]).convert("CMYK").save(path, format="JPEG")
    assert f"{path} is a CMYK image" in refused(small)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(small.images["b"]).save(path, format="JPEG", exif=turned)
    assert f"{path} carries an EXIF rotation" in refused(small)


def test_images_of_two_sizes(small: Any) -> None:
    small.png("rgb/c.png", np.zeros((5, 7, 3), np.uint8))
    message = refused(small)
    for fragment in ("rgb/c.png is 5 x 7", "rgb/a.png is 4 x 6", "write size:"):
        assert fragment in message


def test_missing_and_ambiguous_files(small: Any) -> None:
    small.png("more/mask/b.png", small.masks["b"])
    both = refused(small, MASK | {"files": "**/mask/*.png"})
    assert str(small.root / "mask/b.png") in both and str(small.root / "more/mask/b.png") in both
    (small.root / "mask" / "b.png").unlink()
    message = refused(small)
    assert "rgb/b.png has no label of task 'mask'" in message and "'b'" in message
    assert "task 'x': no file matches 'no/*.png'" in refused(small, MASK | {"files": "no/*.png"})
    assert "images: no file matches 'rgb/*.PNG'" in refused(small, images="rgb/*.PNG")


def test_leaving_the_folder(small: Any, tmp_path: Any) -> None:
    assert "'..'" in refused(small, root="photos/../photos")
    assert "no folder" in refused(small, root="fotos")
    secret = small.root.parent / "secret.png"
    (small.root / "mask" / "b.png").rename(secret)
    (small.root / "mask" / "b.png").symlink_to(secret)
    assert "mask/b.png is a link that leads out of" in refused(small)
    secret.unlink()
    assert "mask/b.png is a link that leads nowhere" in refused(small)
    (small.root / "mask").rename(tmp_path / "outside")
    (small.root / "mask").symlink_to(tmp_path / "outside")
    assert "mask is a link that leads out of" in refused(small)


def test_a_split_without_valid_pixels(small: Any) -> None:
    void = {"classes": 2, "values": {0: 0}, "void": 7, "files": "x/*.png"}
    labels(small, np.full((4, 6), 7, np.uint8), last=np.zeros((4, 6), np.uint8))
    message = refused(small, MASK | void)
    assert "task 'x': not one pixel of the 3 train label files" in message and "x/a.png" in message
    labels(small, np.ones((4, 6)), last=np.full((4, 6), np.nan))
    assert "1 eval label files" in refused(small, NPY)
    labels(small, np.zeros((4, 6, 3)))
    assert "not one pixel" in refused(small, NORMAL)


@pytest.mark.parametrize(("split", "fragment"), [
    ({"eval": ["a", "b", "c", "d"]}, "is for train"), ({"eval": []}, "is for eval"),
    ({"eval_pattern": "val_*"}, "is for eval"), ({"eval_share": 0.01}, "is for eval")])
def test_empty_splits(small: Any, split: Any, fragment: str) -> None:
    message = refused(small, split=split)
    assert fragment in message and "rgb/a.png" in message


def test_a_listed_stem_that_is_not_there(small: Any) -> None:
    with pytest.raises(RequestError, match=r"stem 'd\.png'; the nearest is 'd'"):
        small.open(split={"eval": ["d.png"]})


REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "climbing pattern": ({"images": "../*.png"}, "without '..'"),
    "absolute pattern": ({"images": "/etc/*"}, "below root"),
    "empty pattern": ({"images": ""}, "pattern below root"),
    "stars in a name": ({"images": "rgb/**.png"}, r"\*\* stands alone"),
    "two ways to split": ({"split": {"eval": ["d"], "eval_share": 0.5}}, "give one of eval"),
    "no way to split": ({"split": {}}, "give one of eval"),
    "numbers for stems": ({"split": {"eval": [107]}}, "in quotes"),
    "a share of all": ({"split": {"eval_share": 1}}, "less than 1"),
    "no size": ({"size": [0, 3]}, "greater than 0"),
    "a task called image": ({"tasks": {"image": MASK}}, "another name"),
    "a task in capitals": ({"tasks": {"Mask": MASK}}, "small letters"),
    "one class": ({"tasks": {"x": MASK | {"classes": ["only"]}}}, "2 to 254"),
    "many classes": ({"tasks": {"x": MASK | {"classes": 300}}}, "2 to 254"),
    "class out of range": ({"tasks": {"x": MASK | {"values": {0: 3}}}}, "0 to 2"),
    "void and class": ({"tasks": {"x": MASK | {"void": 2}}}, "2 is the value of a class too"),
    "wide value": ({"tasks": {"x": MASK | {"void": 300}}}, "8 bits"),
    "encoding of another kind": ({"tasks": {"x": MASK | {"encoding": "png16"}}},
                                 "index or npy"),
    "option of another kind": ({"tasks": {"x": MASK | {"scale": 2}}}, "scale means nothing"),
    "two channels": ({"tasks": {"x": DEPTH8 | {"channels": 2}}}, "1 or 3 channels"),
    "wide channels": ({"tasks": {"x": DEPTH16 | {"channels": 3}}}, "1 channel"),
    "one value for vectors": ({"tasks": {"x": NORMAL | {"invalid": 0}}}, "one triple"),
    "unknown key": ({"colour": True}, "unknown key 'colour'"),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_descriptions_that_make_no_sense(small: Any, case: str) -> None:
    options, message = REQUESTS[case]
    with pytest.raises(RequestError, match=message):
        small.config(**options)
