"""Wrong copies as arrays: one message that names the file, and nothing left behind."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from benchmark.data.formats.arrays import ArrayTask, mtan_layout
from benchmark.data.sources.prepared import prepare
from benchmark.errors import DataError, RequestError
from benchmark.tasks import Task
from tests.data.test_arrays import COUNT, HEIGHT, SOURCE, WIDTH, Config
from tests.data.test_arrays import arrays as all_arrays
from tests.helpers.make_arrays import nested, write_hub, write_mtan


def arrays(part: str) -> dict[str, list[NDArray[Any]]]:
    """Four images for training, three for evaluation."""
    return {name: each[:4] for name, each in all_arrays(part).items()}


def refused(copy: Path) -> str:
    """The message that `prepare` refuses the copy with."""
    root = copy.parent / "stores"
    with pytest.raises(DataError) as caught:
        prepare(SOURCE, Config(), copy, root, workers=2)
    assert [path for path in root.glob("prepared/*") if path.suffix != ".lock"] == []
    return str(caught.value)


@pytest.fixture
def mtan(tmp_path: Path) -> Path:
    for part in COUNT:
        write_mtan(tmp_path / "copy", part, arrays(part))
    return tmp_path / "copy"


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    for part in COUNT:
        write_hub(shard(tmp_path / "copy", part), arrays(part), group=2)
    return tmp_path / "copy"


def shard(copy: Path, part: str, number: int = 0, total: int = 1) -> Path:
    return copy / "data" / f"{part}-{number:05}-of-{total:05}.parquet"


@pytest.mark.parametrize("name", ["image/0", "image/1", "seg/2", "mask/0"])
def test_missing_file(mtan: Path, name: str) -> None:
    (mtan / "train" / f"{name}.npy").unlink()
    assert f"{mtan / 'train' / name}.npy is missing" in refused(mtan)


def test_missing_last_image_leaves_a_label(mtan: Path) -> None:
    (mtan / "val" / "image" / "2.npy").unlink()
    message = refused(mtan)
    assert f"{mtan / 'val' / 'seg' / '2.npy'} is a label without an image" in message


def test_numbers_with_zeros_in_front(mtan: Path) -> None:
    for path in (mtan / "train" / "image").iterdir():
        path.rename(path.with_name(f"{int(path.stem):04}.npy"))
    assert f"{mtan / 'train' / 'image' / '0.npy'} is missing" in refused(mtan)


def test_a_task_of_one_split_only(mtan: Path) -> None:
    shutil.rmtree(mtan / "val" / "depth")
    message = refused(mtan)
    assert f"{mtan / 'val' / 'depth' / '0.npy'} is missing" in message
    assert "move the depth folders away" in message


def test_no_evaluation_images(mtan: Path) -> None:
    shutil.rmtree(mtan / "val")
    assert f"there are no npy files in {mtan / 'val' / 'image'}" in refused(mtan)


def test_no_labels(mtan: Path) -> None:
    for part in COUNT:
        for folder in (mtan / part).iterdir():
            if folder.name != "image":
                shutil.rmtree(folder)
    message = refused(mtan)
    assert str(mtan) in message and "no labels" in message and "classes, seg, mask" in message


def with_value(shape: tuple[int, ...], fill: float, value: float, dtype: Any = np.float32,
               ) -> NDArray[Any]:
    """All `fill`, but for one pixel at row 2, column 5."""
    array = np.full(shape, fill, dtype)
    array[..., 2, 5] = value
    return array


IMAGE, LABEL = (3, HEIGHT, WIDTH), (HEIGHT, WIDTH)
PLACE = "at row 2, column 5"
CONTENT: dict[str, tuple[str, NDArray[Any], tuple[str, ...]]] = {
    "a class that does not exist": ("seg", with_value(LABEL, 0, 5, np.int64), ("value 5", PLACE)),
    "an unsigned class": ("seg", with_value(LABEL, 0, 254, np.uint8), ("value 254", PLACE)),
    "a negative class": ("seg", with_value(LABEL, 0, -2, np.int8), ("value -2", PLACE)),
    "half a class": ("seg", with_value(LABEL, 0, 3.5), ("value 3.5", PLACE)),
    "no class": ("seg", with_value(LABEL, 0, np.nan), ("value nan", PLACE)),
    "an infinite class": ("seg", with_value(LABEL, 0, np.inf), ("value inf", PLACE)),
    "a third value of a mask": ("mask", with_value(LABEL, 0, 2, np.int64), ("value 2", PLACE)),
    "an image of 0 to 255": ("image", with_value(IMAGE, 0, 255), ("from 0 to 255", "from 0 to 1")),
    "an image below 0": ("image", with_value(IMAGE, 0.5, -0.5), ("from -0.5 to 0.5",)),
    "an image with NaN": ("image", with_value(IMAGE, 0.5, np.nan), ("nan",)),
    "an image of int64": ("image", with_value(IMAGE, 0, 1, np.int64), ("holds int64",)),
    "an image of another size": ("image", np.zeros((3, WIDTH, HEIGHT), np.float32),
                                 ("6 x 4", "the first image is 4 x 6")),
    "a label of another size": ("seg", np.zeros((2, 3)), ("2 x 3", "its image")),
    "a map of another size": ("flow", np.zeros((2, 3, 6)), ("3 x 6", "its image")),
    "a channel too many": ("depth", np.zeros((2, HEIGHT, WIDTH)), ("shape",)),
    "a channel too few": ("flow", np.zeros((1, HEIGHT, WIDTH)), ("shape",)),
    "vectors that are none": ("normal", np.full(IMAGE, 90.0), ("median length",)),
    "words": ("seg", np.full(LABEL, "road"), ()),
}


@pytest.mark.parametrize("case", CONTENT)
def test_content_of_npy_files(mtan: Path, case: str) -> None:
    name, array, fragments = CONTENT[case]
    path = mtan / "train" / name / "2.npy"
    np.save(path, np.moveaxis(array, 0, -1) if array.ndim == 3 else array)
    message = refused(mtan)
    assert f"{path} " in message or f"{path}:" in message
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize("case", CONTENT)
def test_content_of_parquet_files(tmp_path: Path, case: str) -> None:
    name, array, fragments = CONTENT[case]
    for part in COUNT:
        given = arrays(part)
        if part == "train":  # in a file of its own: lists of rows differ in type
            write_hub(shard(tmp_path, part, 1, 2),
                      {key: [array if key == name else each[2]] for key, each in given.items()})
        write_hub(shard(tmp_path, part, 0, 2 if part == "train" else 1), given)
    path = shard(tmp_path, "train", 1, 2)
    message = refused(tmp_path)
    assert f"{path}[0]/{name} " in message or f"{path}[0]/{name}:" in message
    for fragment in fragments:
        assert fragment in message


def test_damaged_npy_file(mtan: Path) -> None:
    path = mtan / "val" / "flow" / "1.npy"
    path.write_bytes(path.read_bytes()[:-8])
    assert f"{path} is damaged" in refused(mtan)


def test_pickled_objects_are_not_loaded(mtan: Path) -> None:
    path = mtan / "val" / "seg" / "1.npy"
    np.save(path, np.array([[None]]), allow_pickle=True)
    assert f"{path} " in refused(mtan)


def test_limits(tmp_path: Path) -> None:
    depth = ArrayTask(Task(name="depth", kind="regression", channels=1), ("depth",),
                      limits=(0.0, 1.0), hint="divide it")
    source = type("Source", (), vars(SOURCE) | {"LAYOUTS": (mtan_layout(lambda _: [depth]),)})
    image = [np.zeros(IMAGE, np.uint8)]
    for part in COUNT:
        write_mtan(tmp_path, part, {"image": image, "depth": [with_value((1, *LABEL), 0.999, 0)]})
    prepare(source, Config(), tmp_path, tmp_path / "fine", workers=1)
    for value in (1, 1.5, -0.25, np.inf):
        write_mtan(tmp_path, "val", {"depth": [with_value((1, *LABEL), 0.999, value)]})
        if value == np.inf:
            prepare(source, Config(), tmp_path, tmp_path / "also", workers=1)
            continue
        with pytest.raises(DataError, match=r"0\.npy has the value .* at row 2, column 5, but "
                                            "values are at least 0 and below 1; divide it"):
            prepare(source, Config(), tmp_path, tmp_path / "stores", workers=1)


def replaced(copy: Path, name: str, rows: list[Any]) -> Path:
    """Write the first rows of a column anew, as Python lists."""
    path = shard(copy, "train")
    table = pq.read_table(path)
    place = table.column_names.index(name)
    column = table.column(name).to_pylist()
    table = table.set_column(place, name, pa.array([*rows, *column[len(rows):]],
                                                   table.column(name).type))
    pq.write_table(table, path, row_group_size=2)
    return path


@pytest.mark.parametrize(("cell", "why"), [
    (None, "nulls"), ([[0] * WIDTH] * (HEIGHT - 1) + [None], "nulls"),
    ([[0] * WIDTH] * (HEIGHT - 1) + [[0] * (WIDTH - 1) + [None]], "nulls"),
    ([[0] * WIDTH] * (HEIGHT - 1) + [[0] * (WIDTH - 1)], "ragged"),
    ([[0] * WIDTH] * (HEIGHT - 1), "another shape"), ([], "empty")])
def test_null_and_ragged_cells(hub: Path, cell: Any, why: str) -> None:
    given = arrays("train")["seg"]
    path = replaced(hub, "seg", [*(each.tolist() for each in given[:3]), cell])
    message = refused(hub)
    assert f"{path}[3]/seg " in message and why in message


def test_a_null_cell_far_inside_a_row_group(hub: Path) -> None:
    columns = {name: nested(each) for name, each in all_arrays("train").items()}
    cells = columns["seg"].to_pylist()
    cells[9] = None
    path = shard(hub, "train")
    write_hub(path, columns | {"seg": pa.array(cells, columns["seg"].type)}, group=11)
    assert f"{path}[9]/seg has nulls" in refused(hub)


def test_cells_that_are_no_lists_of_numbers(hub: Path) -> None:
    given = arrays("train")
    columns = {name: nested(each) for name, each in given.items()}
    path = shard(hub, "train")
    for cells, kind in ((["word"] * 4, "string"), ([{"bytes": b"", "path": ""}] * 4, "struct"),
                        ([[["word"]]] * 4, "string"), ([[[True]]] * 4, "bool")):
        write_hub(path, columns | {"image": pa.array(cells)})
        message = refused(hub)
        assert f"{path}[0]/image holds {kind}" in message


def test_missing_column(hub: Path) -> None:
    path = shard(hub, "val")
    pq.write_table(pq.read_table(path).drop_columns(["mask"]), path)
    message = refused(hub)
    assert f"{path} has no column mask" in message
    for file in (path, shard(hub, "train")):
        pq.write_table(pq.read_table(file).select(["image", "normal"]).rename_columns(
            ["image", "other"]), file)
    message = refused(hub)
    assert "no labels" in message and str(shard(hub, "train")) in message


def test_missing_file_of_several(hub: Path) -> None:
    shard(hub, "train").rename(shard(hub, "train", 0, 2))
    assert "train-00000-of-00002.parquet is number 0 (from 0) of 2" in refused(hub)
    write_hub(shard(hub, "train", 1, 3), arrays("train"))
    assert "has 2 train files, but train-00001-of-00003.parquet" in refused(hub)
    shard(hub, "train", 1, 3).rename(hub / "data" / "train-00000-of-00002-twice.parquet")
    assert "is number 0 (from 0) of 2; copy all files" in refused(hub)


def test_parquet_files_need_a_package(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RequestError, match=r"pip install 'lhlbench\[hub\]'"):
        prepare(SOURCE, Config(), hub, hub.parent / "stores")


def test_missing_split(hub: Path) -> None:
    shard(hub, "val").unlink()
    assert f"there is no val-*.parquet or validation-*.parquet in {hub}" in refused(hub)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet file" * 40])
def test_files_that_are_not_parquet(hub: Path, content: bytes) -> None:
    shard(hub, "val").write_bytes(content)
    assert f"{shard(hub, 'val')} is damaged or not a Parquet file" in refused(hub)


def test_damaged_parquet_file(hub: Path) -> None:
    path = shard(hub, "val")
    content = path.read_bytes()
    path.write_bytes(content[:-200])
    assert f"{path} is damaged" in refused(hub)
    path.write_bytes(content[:4] + bytes(60) + content[64:])
    assert f"{path} is damaged" in refused(hub)


def test_file_without_rows(hub: Path) -> None:
    path = shard(hub, "val")
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert f"{path} has no rows" in refused(hub)
