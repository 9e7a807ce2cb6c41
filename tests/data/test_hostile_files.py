"""Files of data sets that are bombs, pipes, circles or nonsense: one message each, nothing left."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from benchmark.data.formats import decode, matlab
from benchmark.data.sources import cityscapes
from benchmark.data.sources.nyuv2.normal_files import open_normals
from benchmark.data.store.files import Store
from benchmark.errors import DataError, RequestError
from benchmark.files import read_arrays, read_file
from tests.data.conftest import MASK


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, colour, *chunks):
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


PIXELS = chunk(b"IDAT", zlib.compress(bytes(5)))
BOMB = chunk(b"IDAT", zlib.compress(bytes(1 << 16)))


@pytest.mark.parametrize("content", [
    png(1 << 15, 1 << 15, 0, BOMB), png((1 << 31) - 1, (1 << 31) - 1, 2, BOMB),
    png(1, 1, 3, PIXELS), png(0, 1, 0, PIXELS), png(1, 1, 0),
    png(1, 1, 0, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 27))), PIXELS)],
    ids=["bomb", "2^31", "no palette", "no width", "no pixels", "text bomb"])
@pytest.mark.filterwarnings("error")
def test_a_png_that_cannot_be_read_is_one_message(content, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    for read in (decode.read_image, decode.read_index, lambda file: decode.read_png(file, 8, 1)):
        try:
            found = read(path)
        except DataError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert found.size <= 3


@pytest.mark.parametrize(("options", "message"), [
    ({"images": "."}, "must be a pattern"), ({"images": "./"}, "must be a pattern"),
    ({"images": "a\0b/*.png"}, "must be a pattern"), ({"size": [2 ** 70, 3]}, "16384"),
    ({"size": [20_000, 3]}, "16384"), ({"root": "~nobody-of-this-name/x"}, "nobody here"),
    ({"root": "a\0b"}, "there is no folder"), ({"root": "x" * 5000}, "there is no folder"),
    ({"images": "x" * 5000 + "/*.png"}, "cannot be looked for"),
    ({"tasks": {"m" * 5000: MASK}}, "64 at most"),
    ({"tasks": {"mask": {**MASK, "files": "."}}}, "must be a pattern")])
def test_descriptions_that_make_no_sense_are_one_message(small, options, message):
    with pytest.raises(RequestError) as error:
        small.open(**options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert small.left_behind() == []


def test_pipes_and_circles_of_links_are_not_read(small):
    image = small.root / "rgb" / "a.png"
    for make in (lambda: os.mkfifo(image), lambda: image.symlink_to("a.png"),
                 lambda: image.symlink_to("/dev/zero")):
        image.unlink()
        make()
        with pytest.raises(DataError, match=r"a\.png"):
            small.open()
    assert small.left_behind() == []


def test_a_store_of_pipes_is_not_opened(small):
    store = small.open()
    for name in ("train/image.npy", "manifest.json"):
        file = store.folder / name
        content = file.read_bytes()
        file.unlink()
        os.mkfifo(file)
        with pytest.raises(DataError, match="not a regular file"):
            Store(store.folder)
        file.unlink()
        file.write_bytes(content)
    np.savez(store.folder / "train/image.npz", a=1)
    (store.folder / "train/image.npz").rename(store.folder / "train/image.npy")
    with pytest.raises(DataError, match="cannot be read"):
        Store(store.folder)


@pytest.mark.parametrize("value", ["NaN", "9" * 5000, "[" * 5000 + "]" * 5000])
def test_a_manifest_of_odd_values_is_one_message(small, value):
    store = small.open()
    file = store.folder / "manifest.json"
    file.write_text(file.read_text().replace('"source": {', f'"source": {{"x": {value}, ', 1))
    with pytest.raises(DataError, match=r"manifest\.json"):
        Store(store.folder)


def test_arrays_that_unpack_to_too_much_are_not_unpacked(tmp_path):
    path = tmp_path / "statistics.npz"
    np.savez_compressed(path, a=np.zeros(1 << 22), b=np.zeros(1 << 22))
    assert path.stat().st_size < 1 << 18
    with pytest.raises(ValueError, match="unpacks to more than 1 MiB"):
        read_arrays(path, 1 << 20)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {
        "descr": "<f8", "fortran_order": False, "shape": (1 << 44,)})
    for content in (header.getvalue(), b"\x80\x04cos\nsystem\n", b""):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", content)
        with pytest.raises(ValueError):
            read_arrays(path, 1 << 20)
    np.save(path.with_suffix(".npy"), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"\.npy"):
        decode.read_npy(path.with_suffix(".npy"))


def test_a_file_is_read_up_to_its_limit_only(tmp_path):
    (tmp_path / "x").write_bytes(bytes(11))
    with pytest.raises(OSError, match="larger than 10 bytes"):
        read_file(tmp_path / "x", 10)
    with pytest.raises(OSError, match="larger than 10 bytes"):
        read_file(tmp_path / "x" if not os.path.exists("/proc/cpuinfo")
                  else type(tmp_path)("/proc/cpuinfo"), 10)
    with pytest.raises(OSError, match="not a regular file"):
        read_file(tmp_path, 10)
    with pytest.raises(OSError, match="null"):
        read_file(tmp_path / "a\0b", 10)


def test_a_matlab_file_that_unpacks_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(matlab, "LARGEST_UNPACKED", 1 << 22)
    path = tmp_path / "x.mat"
    savemat(path, {"LabelMap": np.zeros((4, 4))}, do_compression=True)
    assert matlab.read_matlab(path, ["LabelMap"])["LabelMap"].shape == (4, 4)
    packed = zlib.compress(bytes(1 << 24))
    path.write_bytes(path.read_bytes()[:128] + struct.pack("<II", 15, len(packed)) + packed)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataError, match="unpacks to more than 4 MiB"):
        matlab.read_matlab(path, ["LabelMap"])


def test_members_of_archives_are_limited(tmp_path):
    with zipfile.ZipFile(tmp_path / "n.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for kind in ("normals", "masks"):
            archive.writestr(f"normals_gt/{kind}/0000.png", bytes(1 << 25))
    with tarfile.open(tmp_path / "n.tgz", "w:gz") as archive:
        for kind in ("normals", "masks"):
            info = tarfile.TarInfo(f"normals_gt/{kind}/0000.png")
            info.size = 1 << 25
            archive.addfile(info, io.BytesIO(bytes(1 << 25)))
    for name in ("n.zip", "n.tgz"):
        with pytest.raises(DataError, match="33554432 bytes"):
            open_normals(tmp_path / name).read(0)


def test_columns_that_stand_twice_are_refused(tmp_path):
    image = pa.array([[[[0.0] * 4] * 4] * 3])
    label = pa.array([[[1] * 4] * 4])
    for part in ("train", "val"):
        names = ["image", "segmentation", "segmentation"]
        table = pa.Table.from_arrays([image, label, label], names)
        pq.write_table(table, tmp_path / f"{part}-00000-of-00001.parquet")
    layout = next(each for each in cityscapes.LAYOUTS if each.name == "hub")
    with pytest.raises(DataError, match="has 2 columns segmentation"):
        layout.open(tmp_path, cityscapes.Config())
