"""Pictures of predictions for the pages of runs, as many as the site has room for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from benchmark.report.runs.collection import StoredRun
from benchmark.report.site.slugs import slug

ROOM = 6 * 2**20
"""Bytes of pictures in a site."""
LARGEST = 640
"""Pixels of the longer side; larger pictures are scaled down."""
FOLDER = "previews"


def copy_panels(runs: Iterable[StoredRun], to: Path) -> dict[str, list[tuple[str, str]]]:
    """Run id -> (name, file below `to`) of its previews: lowest seeds first, until `ROOM` is used.

    A picture that is no readable PNG is left out.
    """
    left, copied = ROOM, {}
    for found in sorted(runs, key=lambda each: (each.record.seed, each.record.run_id)):
        pictures = []
        for file in sorted((found.folder / FOLDER).glob("*.png")):
            name = f"{slug(found.record.run_id)}/{slug(file.stem)}.png"
            if left <= 0 or not _scaled(file, to / name):
                continue
            left -= (to / name).stat().st_size
            pictures.append((file.stem, name))
        if pictures:
            copied[found.record.run_id] = pictures
    return copied


def _scaled(file: Path, target: Path) -> bool:
    try:
        with Image.open(file, formats=["PNG"]) as picture:
            picture.thumbnail((LARGEST, LARGEST))
            target.parent.mkdir(parents=True, exist_ok=True)
            picture.save(target, format="PNG", optimize=True)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        target.unlink(missing_ok=True)
        return False
    return True
