"""Copies as npy folders and as Parquet files: the same numbers become the same targets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from benchmark.data.formats.arrays import ArrayTask, hub_layout, mtan_layout
from benchmark.data.formats.arrays.hub import HubReader
from benchmark.data.sources.prepared import PreparedConfig, prepare
from benchmark.data.store.codec import Codec
from benchmark.data.store.files import Store
from benchmark.tasks import VOID, Task
from tests.helpers.make_arrays import nested, write_hub, write_mtan

HEIGHT, WIDTH, COUNT = 4, 6, {"train": 11, "val": 3}
TASKS = (
    ArrayTask(Task(name="semantic", kind="segmentation", channels=5), ("classes", "seg")),
    ArrayTask(Task(name="mask", kind="binary", channels=1), ("mask",)),
    ArrayTask(Task(name="depth", kind="regression", channels=1, unit="m"), ("depth",),
              codec=Codec(scale=0.01, invalid=0), scale=10.0, offset=0.5, invalid=(0.0, -1.0)),
    ArrayTask(Task(name="flow", kind="regression", channels=2), ("flow",), invalid=()),
    ArrayTask(Task(name="normal", kind="direction", channels=3), ("normal",),
              order=(0, 2, 1), axes=(1, -1, 1)))


class Config(PreparedConfig):
    name: Literal["arrays"] = "arrays"
    size: tuple[int, int] = (HEIGHT, WIDTH)


SOURCE = SimpleNamespace(SUMMARY="arrays", VERSION=1, FOLDERS=("arrays",), Config=Config,
                         LAYOUTS=(mtan_layout(lambda _: TASKS), hub_layout(lambda _: TASKS)))


def arrays(part: str) -> dict[str, list[NDArray[Any]]]:
    """Numbers of every kind, other ones in each image, channels first."""
    numbers = np.random.default_rng(len(part))
    result: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("image", "seg", "mask", "depth", "flow", "normal")}
    for _ in range(COUNT[part]):
        result["image"].append(numbers.random((3, HEIGHT, WIDTH)).astype(np.float32))
        result["seg"].append(numbers.choice([0, 1, 2, 3, 4, -1, 255], (HEIGHT, WIDTH)))
        result["mask"].append(numbers.choice([0, 1, -1], (HEIGHT, WIDTH)))
        result["depth"].append(numbers.choice([0, -1, 0.25, 3, 7.5], (1, HEIGHT, WIDTH)))
        result["flow"].append(numbers.normal(size=(2, HEIGHT, WIDTH)).astype(np.float32))
        vectors = numbers.normal(size=(3, HEIGHT, WIDTH)) - np.reshape([0, 1.5, 0], (3, 1, 1))
        vectors /= np.linalg.norm(vectors, axis=0)
        vectors[:, 0, 0] = 0
        result["normal"].append(vectors.astype(np.float32))
    return result


def made(copy: Path, root: Path, **options: Any) -> Store:
    return prepare(SOURCE, Config(**options), copy, root, workers=2)[0]


def same(store: Store, kinds: tuple[str, ...] = ("semantic", "mask", "depth", "flow", "normal"),
         ) -> None:
    """Compare every number of a store with the arrays it was made of, pixel by pixel."""
    for split, part in (("train", "train"), ("eval", "val")):
        given = {name: np.array(each, np.float64) for name, each in arrays(part).items()}
        expected: dict[str, list[Any]] = {kind: [] for kind in ("image", *kinds)}
        for place in np.ndindex(COUNT[part], HEIGHT, WIDTH):
            number = {name: each[place[0], ..., place[1], place[2]].tolist()
                      for name, each in given.items()}
            depth, seg, mask = number["depth"][0], number["seg"], number["mask"]
            x, z, y = number["normal"]
            pixel = {"image": [round(255 * value) for value in number["image"]],
                     "semantic": VOID if seg in (-1, 255) else seg,
                     "mask": VOID if mask == -1 else mask,
                     "depth": [np.nan if depth <= 0 else 10 * depth + 0.5],
                     "flow": number["flow"], "normal": [x, -y, z]}
            for kind, values in expected.items():
                values.append(pixel[kind])
        for kind, values in expected.items():
            found = store.values(split, kind)
            if found.ndim == 4:
                found = found.transpose(0, 2, 3, 1)
            shape = (COUNT[part], HEIGHT, WIDTH, *found.shape[3:])
            np.testing.assert_allclose(found, np.reshape(values, shape), rtol=1e-6,
                                       atol=6e-4 if kind == "normal" else 0)


@pytest.fixture(scope="module")
def mtan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("mtan")
    for part in COUNT:
        write_mtan(copy, part, arrays(part))
    return copy


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files for training, the first with two row groups; one for evaluation."""
    copy = tmp_path_factory.mktemp("hub")
    given = arrays("train") | {"noise": [np.zeros((1, 2, 2))] * COUNT["train"]}
    for number, rows in enumerate((slice(0, 6), slice(6, 7), slice(7, None))):
        write_hub(copy / "data" / f"train-{number:05}-of-00003.parquet",
                  {name: each[rows] for name, each in given.items()})
    write_hub(copy / "data" / "val-00000-of-00001.parquet", arrays("val"))
    return copy


def test_values_of_npy_files(mtan: Path, tmp_path: Path) -> None:
    store = made(mtan, tmp_path)
    same(store)
    assert store.manifest.files["train/image"][10] == "train/image/10.npy"
    assert store.manifest.notes == ()
    assert store.manifest.source["tasks"]["semantic"] == "seg"


def test_values_of_parquet_files(hub: Path, tmp_path: Path) -> None:
    store = made(hub, tmp_path)
    same(store)
    assert store.manifest.files["train/image"][7] == "data/train-00002-of-00003.parquet[0]"


def test_both_layouts_give_one_fingerprint(mtan: Path, hub: Path, tmp_path: Path) -> None:
    assert made(mtan, tmp_path / "a").fingerprint == made(hub, tmp_path / "b").fingerprint


@pytest.mark.parametrize(("name", "change"), [
    ("image", lambda array: array.astype(np.float64)),
    ("image", lambda array: np.rint(255 * array).astype(np.uint8)),
    ("seg", lambda array: array.astype(np.float64)),
    ("seg", lambda array: array.astype(np.int16)),
    ("seg", lambda array: np.where(array == -1, 255, array).astype(np.uint8)),
    ("mask", lambda array: array.astype(np.float32)[None]),
    ("depth", lambda array: array[0]),
    ("depth", lambda array: array.astype(np.float32)),
    ("depth", lambda array: np.where(array == 0, np.nan, array)),
    ("normal", lambda array: array.astype(np.float64))])
@pytest.mark.parametrize("layout", ["mtan", "hub"])
def test_other_types_of_the_same_numbers(layout: str, name: str, change: Any,
                                         tmp_path: Path) -> None:
    for part in COUNT:
        given = arrays(part)
        given[name] = [change(array) for array in given[name]]
        if layout == "mtan":
            write_mtan(tmp_path, part, given)
        else:
            write_hub(tmp_path / f"{part}-0.parquet", given, group=100)
    same(made(tmp_path, tmp_path))


class Array3D(pa.ExtensionType):  # type: ignore[misc]
    """What the library datasets declares, in the way it does."""

    def __init__(self, storage: Any, shape: tuple[int, ...]) -> None:
        self.shape = shape
        super().__init__(storage, "datasets.features.features.Array3DExtensionType")

    def __arrow_ext_serialize__(self) -> bytes:
        return json.dumps((self.shape, "float32")).encode()

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Array3D:
        return cls(storage, tuple(json.loads(serialized)[0]))


@pytest.mark.parametrize("registered", [False, True])
def test_extension_types_are_their_lists(registered: bool, tmp_path: Path) -> None:
    for part, called in (("train", "train"), ("val", "validation")):
        columns = {name: nested(each) for name, each in arrays(part).items()}
        kind = Array3D(columns["image"].type, (3, HEIGHT, WIDTH))
        columns["image"] = pa.ExtensionArray.from_storage(kind, columns["image"])
        write_hub(tmp_path / "data" / f"{called}-00000-of-00001.parquet", columns)
    if registered:
        pa.register_extension_type(kind)
    try:
        same(made(tmp_path, tmp_path))
    finally:
        if registered:
            pa.unregister_extension_type(kind.extension_name)


@pytest.mark.parametrize("lists", [pa.LargeListArray, pa.FixedSizeListArray])
def test_other_kinds_of_lists(lists: Any, tmp_path: Path) -> None:
    for part in COUNT:
        columns = {name: nested(each, lists) for name, each in arrays(part).items()}
        write_hub(tmp_path / "data" / f"{part}-0.parquet", columns)
    same(made(tmp_path, tmp_path))


def test_row_groups_are_the_units_of_work(hub: Path) -> None:
    reader = HubReader(hub, (HEIGHT, WIDTH), TASKS)
    assert reader.units("train") == [range(4), range(4, 6), range(6, 7), range(7, 11)]
    whole = [each["flow"] for each in reader.read("train", range(11))]
    for start, stop in ((0, 1), (3, 5), (5, 11), (10, 11), (4, 4)):
        part = [each["flow"] for each in reader.read("train", range(start, stop))]
        np.testing.assert_array_equal(np.reshape(part, (-1, 2, HEIGHT, WIDTH)),
                                      np.reshape(whole[start:stop], (-1, 2, HEIGHT, WIDTH)))


def test_files_without_zeros_in_front_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    given = arrays("train")
    for number in range(11):
        write_hub(tmp_path / f"train-{number}.parquet",
                  {name: [each[number]] for name, each in given.items()})
    write_hub(tmp_path / "val-0.parquet", arrays("val"))
    same(made(tmp_path, tmp_path))


def test_resized_to_another_size(mtan: Path, tmp_path: Path) -> None:
    store = made(mtan, tmp_path, size=(3, 9))
    assert store.manifest.notes == ("resized from 4 x 6 to 3 x 9 (height x width)",)
    given = arrays("train")
    for row, column in np.ndindex(3, 9):
        old = int((row + 0.5) * 4 / 3), int((column + 0.5) * 6 / 9)
        for i in range(COUNT["train"]):
            number = given["seg"][i][old]
            expected = VOID if number in (-1, 255) else number
            assert store.values("train", "semantic")[i, row, column] == expected
            np.testing.assert_array_equal(store.values("train", "flow")[i, :, row, column],
                                          given["flow"][i][:, *old])


def test_tasks_that_are_absent_everywhere_are_left_out(tmp_path: Path) -> None:
    for part in COUNT:
        write_mtan(tmp_path, part, {name: each for name, each in arrays(part).items()
                                    if name in ("image", "seg", "depth")})
    store = made(tmp_path, tmp_path)
    assert tuple(store.tasks) == ("semantic", "depth")
    same(store, ("semantic", "depth"))


def test_the_first_name_present_is_read(tmp_path: Path) -> None:
    for part in COUNT:
        given = arrays(part)
        zeros = [np.zeros((HEIGHT, WIDTH), int)] * COUNT[part]
        write_mtan(tmp_path, part, given | {"classes": zeros})
    assert not made(tmp_path, tmp_path).values("train", "semantic").any()


def test_images_a_little_beyond_0_and_1_are_clipped(mtan: Path, tmp_path: Path) -> None:
    given = arrays("train")
    given["image"][0][:, 0, :3] = -0.0009, 1.0009, 0.5
    for part in COUNT:
        write_mtan(tmp_path, part, given if part == "train" else arrays(part))
    image = made(tmp_path, tmp_path).array("train", "image")[0]
    np.testing.assert_array_equal(image[:, 0, :3], [[0, 255, 128]] * 3)


def test_values_nearest_to_the_invalid_code_are_invalid(tmp_path: Path) -> None:
    given = arrays("train")
    given["depth"][0][0, 0, :3] = -0.0496, -0.0494, -0.05  # values 0.004, 0.006 and 0
    for part in COUNT:
        write_mtan(tmp_path, part, given if part == "train" else arrays(part))
    depth = made(tmp_path, tmp_path).values("train", "depth")[0, 0, 0, :3]
    np.testing.assert_allclose(depth, [np.nan, 0.01, np.nan], rtol=1e-6)


def test_import_is_light() -> None:
    code = ("import sys, benchmark.data.formats.arrays, "
            "benchmark.data.sources.cityscapes; print({'torch', 'h5py', 'pyarrow', "
            "'skimage', 'scipy', 'matplotlib', 'pandas'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
