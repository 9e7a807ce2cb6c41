"""From files to arrays: photographs, and label maps as the values a PNG or npy file stores.

Every function names the file in the `DataError` it raises.
"""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from benchmark.errors import DataError
from benchmark.files import read_file, require_regular
from benchmark.tasks.stored import FormError

Size = tuple[int, int]
"""Height and width in pixels."""

LARGEST_FILE = 1 << 30
"""Bytes of a file that is read as a whole."""

_HEADERS = Lock()
"""Held while an npy file is opened: numpy parses headers with `ast`, which fails at times when
several threads do so (Python before 3.11.8, gh-106905)."""

_ORIENTATION = 0x0112
_PNG = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE = 0, 2, 3
_COLOURS = {_GREY: "grey", _RGB: "RGB", _PALETTE: "palette", 4: "grey+alpha", 6: "RGB+alpha"}


def read_bytes(path: Path) -> bytes:
    """The content of a data set's file. Raises `DataError` for a pipe, a device, or `LARGEST_FILE`
    and more."""
    try:
        return read_file(path, LARGEST_FILE)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def read_image(path: Path) -> NDArray[np.uint8]:
    """A JPEG or PNG photograph as uint8 [3, H, W]; grey ones are repeated in all channels.

    Raises `DataError` when the file is damaged, of another format, has 16 bits, transparent
    pixels or an EXIF rotation: viewers turn such a photograph, but nothing turns its labels.
    """
    data = read_bytes(path)
    if data.startswith(_PNG) and (bits := _png_form(path, data)[0]) > 8:
        raise DataError(f"{path} has {bits} bits per channel; save the image with 8 bits")
    image = _open(path, data)
    if image.getexif().get(_ORIENTATION, 1) != 1:
        raise DataError(f"{path} carries an EXIF rotation, which its labels do not follow; save it "
                        "upright without the tag (ImageMagick: mogrify -auto-orient)")
    if image.mode not in ("RGB", "L", "P", "1", "RGBA", "LA"):
        raise DataError(f"{path} is a {image.mode} image; save it as RGB")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise DataError(f"{path} has transparent pixels; save it as RGB without alpha")
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def read_photograph(path: Path) -> NDArray[np.uint8]:
    """Any JPEG or PNG as it is seen, uint8 [3, H, W]: turned as its EXIF data say, transparent
    pixels on white, grey repeated in all channels, 16 bits cut to 8.

    For photographs without labels; those of a data set are read by `read_image`. Raises `DataError`
    when the file is damaged or of another format.
    """
    opened = _open(path, read_bytes(path))
    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):  # 16 bits of grey
        grey = (np.asarray(image).clip(0, 65535) // 257).astype(np.uint8)
        return grey[None].repeat(3, axis=0)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def read_index(path: Path) -> NDArray[np.uint8]:
    """A PNG of one 8-bit channel, grey or palette, as its stored values: uint8 [H, W]."""
    data = read_bytes(path)
    bits, colour = _png_form(path, data)
    if (bits, colour) != (8, _GREY) and colour != _PALETTE:
        raise FormError(f"{path} is a PNG of {bits}-bit {_COLOURS[colour]}; class indices need "
                        "one 8-bit channel (grey or palette)")
    return np.asarray(_open(path, data), dtype=np.uint8)


def read_png(path: Path, bits: int, channels: int) -> NDArray[Any]:
    """A PNG map as its stored values: uint8 or uint16 [channels, H, W].

    The file must be grey for one channel and RGB for three, and really have `bits` per channel:
    a 16-bit map read as 8 bits would lose its low byte unseen.
    """
    data = read_bytes(path)
    found, colour = _png_form(path, data)
    wanted = _GREY if channels == 1 else _RGB
    if (found, colour) != (bits, wanted):
        raise FormError(f"{path} is a PNG of {found}-bit {_COLOURS[colour]}, it must be {bits}-bit "
                        f"{_COLOURS[wanted]}",
                        f"write encoding: png{found}, with the scale that goes with it"
                        if colour == wanted and found in (8, 16) else "")
    array = np.asarray(_open(path, data))
    if channels == 1:
        return array.astype(np.uint8 if bits == 8 else np.uint16)[None]
    return array.transpose(2, 0, 1)


def read_npy(path: Path, channels: int | None = None,
             channels_first: bool = False) -> NDArray[Any]:
    """An npy map as its stored numbers; pickled objects are never loaded.

    channels None: whole numbers [H, W], for class indices. Else any real numbers, [H, W, C] in the
    file ([C, H, W] with `channels_first`; [H, W] will do for one channel), returned [C, H, W].
    """
    try:
        require_regular(path, sys.maxsize)
        # A memory map also checks the size of the file before a single byte is allocated.
        with _HEADERS:
            array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, SyntaxError, OverflowError) as error:
        raise DataError(f"{path} is damaged or not an npy file of numbers ({error}); "
                        "write it with numpy.save") from None
    kinds, names = ("iub", "whole numbers") if channels is None else ("iuf", "real numbers")
    if array.dtype.kind not in kinds:
        raise FormError(f"{path} holds {array.dtype}, its task needs {names}; "
                        "convert it with array.astype")
    if channels is None or (channels == 1 and array.ndim == 2):
        wanted, fits = "[H, W]", array.ndim == 2
        array = array if channels is None else array[None]
    else:
        wanted = f"[{channels}, H, W]" if channels_first else f"[H, W, {channels}]"
        fits = array.ndim == 3 and array.shape[0 if channels_first else 2] == channels
        array = array if channels_first or not fits else array.transpose(2, 0, 1)
    if not fits or array.size == 0:
        raise FormError(f"{path} has shape {list(array.shape)}, its task needs {wanted}")
    return array


def check_size(path: Path, label: NDArray[Any], image: Path, size: Size) -> None:
    """Raises `DataError` unless a label [..., H, W] covers exactly the pixels of its image."""
    height, width = label.shape[-2:]
    if (height, width) != size:
        raise DataError(f"{path} is {height} x {width} (height x width), its image {image} is "
                        f"{size[0]} x {size[1]}; a label has one value for each pixel of its "
                        "image: save it in that size")


def resize_image(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Resize uint8 [3, H, W], bilinear; shrinking averages over the area, without aliasing."""
    if image.shape[1:] == size:
        return image
    pixels = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    resized = pixels.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def resize_label(label: NDArray[Any], size: Size) -> NDArray[Any]:
    """Resize a target [..., H, W] by the nearest pixel.

    Every kind of target alike: nothing is blended, so each value left is one of the file's, no
    depth appears between two surfaces, and what is invalid stays apart from what is not.
    """
    if label.shape[-2:] == size:
        return label
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new)
                     for new, old in zip(size, label.shape[-2:], strict=True))
    return label[..., rows[:, None], columns]


def _png_form(path: Path, data: bytes) -> tuple[int, int]:
    """Bits per channel and colour type, from the header: Pillow's modes hide both."""
    if not data.startswith(_PNG):
        raise DataError(f"{path} is not a PNG file; convert it, or use npy files")
    if len(data) < 33 or data[12:16] != b"IHDR" or data[25] not in _COLOURS:
        raise _damaged(path, "its header is broken")
    bits, colour = struct.unpack_from(">BB", data, 24)
    return bits, colour


def _open(path: Path, data: bytes) -> Image.Image:
    """A JPEG or PNG, decoded completely, its checksums compared where it has some."""
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        if image.format == "PNG":
            image.verify()  # leaves an image that cannot be decoded any more
            image = Image.open(io.BytesIO(data), formats=("PNG",))
        image.load()
    except UnidentifiedImageError:
        raise DataError(f"{path} is neither a JPEG nor a PNG file, or its beginning is damaged; "
                        "convert it or copy it again") from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is too large: {error}") from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, IndexError) as error:
        raise _damaged(path, str(error)) from None
    if image.mode == "P" and image.palette is None:
        raise _damaged(path, "it has no palette")
    return image


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"{path} is damaged ({why}); copy it again")
