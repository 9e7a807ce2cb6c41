"""Pictures of predictions for the pages of runs, as many as the site has room for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from benchmark.files import require_regular
from benchmark.report.runs.collection import StoredRun, leads_inside
from benchmark.report.runs.scoring import MIB
from benchmark.report.site.file_names import slug

ROOM = 7 * MIB
"""Bytes of pictures in a site."""
LARGEST = 640
"""Pixels of the longer side; larger pictures are scaled down."""
LARGEST_FILE = 32 * MIB
"""Bytes of a picture that is read."""
FOLDER = "previews"

Picture = tuple[str, str]
"""Task, and file relative to the pages of runs."""


def copy_previews(runs: Iterable[StoredRun], to: Path) -> dict[str, list[Picture]]:
    """Run id -> its pictures, which now lie below `to`: lowest seeds first, until `ROOM` is used.

    A picture that is no readable PNG, or a link out of the run's folder, is left out.
    """
    left, copied = ROOM, {}
    for run in sorted(runs, key=lambda each: (each.record.seed, each.record.run_id)):
        pictures = []
        for file in sorted((run.folder / FOLDER).glob("*.png")):
            name = f"{slug(run.record.run_id)}/{slug(file.stem)}.png"
            if left <= 0 or not leads_inside(file, run.folder) or not _scaled(file, to / name):
                continue
            left -= (to / name).stat().st_size
            pictures.append((file.stem, name))
        if pictures:
            copied[run.record.run_id] = pictures
    return copied


def _scaled(file: Path, target: Path) -> bool:
    try:
        require_regular(file, LARGEST_FILE)
        with Image.open(file, formats=["PNG"]) as picture:
            picture.thumbnail((LARGEST, LARGEST))
            target.parent.mkdir(parents=True, exist_ok=True)
            picture.save(target, format="PNG")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        target.unlink(missing_ok=True)
        return False
    return True
