"""`lhlbench predict`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import track

from benchmark.cli.options import (
    RUNS,
    AsJson,
    Device,
    MethodFile,
    RunName,
    Runs,
    TaskNames,
    names_in,
)
from benchmark.cli.output import PlainConsole, print_json, print_line
from benchmark.errors import DataError, RequestError, RunError

if TYPE_CHECKING:
    from benchmark.engine.photograph import WorkingSize

_SUFFIXES = (".jpg", ".jpeg", ".png")
_DEFAULT_FOLDER = Path("predictions")


def predict(run: RunName,
            images: Annotated[list[Path], typer.Argument(
                metavar="IMAGE...", help="JPEG or PNG files, or folders of them")],
            to: Annotated[Path | None, typer.Option(
                "--to", help="Folder to write into; default: predictions/<run id>.")] = None,
            tasks: TaskNames = None,
            size: Annotated[str | None, typer.Option(
                "--size", metavar="HxW", help="Show images to the network at this size.")] = None,
            short_side: Annotated[int | None, typer.Option(
                "--short-side", min=1, help="Show images to the network with a shorter side of so "
                "many pixels.")] = None,
            method: MethodFile = None, device: Device = "auto", runs: Runs = RUNS,
            overwrite: Annotated[bool, typer.Option(
                "--overwrite", help="Replace what an earlier call has written.")] = False,
            as_json: AsJson = False) -> None:
    """Draw what the final weights of a run say of your own photographs.

    Of every image and task: colours, overlay, legend and the numbers (npy), at the image's own
    size. The network sees it at that size too, unless --size or --short-side says otherwise.
    """
    working = _working_size(size, short_side)
    from benchmark.data.formats.decode import read_photograph
    from benchmark.engine.photograph import PhotographPredictor
    from benchmark.engine.trained import open_trained
    from benchmark.report.plots.photographs import write_prediction

    files = _image_files(images)
    trained = open_trained(run, runs, device, method)
    predictor = PhotographPredictor(trained, trained.chosen(names_in(tasks)), working)
    folders = _folders(files, to or _DEFAULT_FOLDER / trained.record.run_id)
    if not overwrite and (taken := next((each for each in folders if each.exists()), None)):
        raise RequestError(f"{taken} exists; --overwrite replaces what is in it, --to another "
                           "folder keeps it")
    console, done, wrong = PlainConsole(stderr=True), [], []
    for file, folder in zip(
            track(files, "predicting", console=console, transient=True,
                  disable=not console.is_terminal), folders, strict=True):
        try:
            photograph = read_photograph(file)
            height, width = photograph.shape[-2:]
            predictor.require_room(str(file), (height, width))
            found = predictor.predict(photograph)
            written = {task.name: {name: str(path) for name, path in write_prediction(
                folder, photograph, task, found[task.name]).items()} for task in predictor.tasks}
        except (DataError, RequestError) as error:
            wrong.append(str(error))
            continue
        except OSError as error:
            raise RequestError(f"{folder} cannot be written: {error.strerror or error}; give "
                               "another folder with --to") from None
        done.append({"image": str(file), "size": [height, width], "seen_at": list(
            working.of((height, width))), "files": written})
        if not as_json:
            print_line(f"{file} ({height} x {width}): {folder}")
    if as_json:
        print_json(done)
    if wrong:
        raise RunError(f"{len(wrong)} of {len(files)} images are left out:\n" + "\n".join(wrong))


def _working_size(size: str | None, short_side: int | None) -> WorkingSize:
    from benchmark.engine.photograph import WorkingSize

    if size is None:
        return WorkingSize(None, short_side)
    if short_side is not None:
        raise RequestError("give --size or --short-side, not both")
    numbers = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size)
    if numbers is None:
        raise RequestError(f"--size {size}: expected height x width in pixels, such as 180x320")
    return WorkingSize((int(numbers[1]), int(numbers[2])))


def _image_files(given: Sequence[Path]) -> list[Path]:
    """The files that were named and those in folders that were, each once.

    Raises `RequestError` for what does not exist and for a folder without images.
    """
    found: dict[Path, Path] = {}
    for path in given:
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.is_file()
                            and each.suffix.lower() in _SUFFIXES and each.name[0] != ".")
            if not inside:
                raise RequestError(f"{path} holds no image ({', '.join(_SUFFIXES)})")
        elif path.is_file():
            inside = [path]
        else:
            raise RequestError(f"there is no image {path}")
        for each in inside:
            found.setdefault(each.resolve(), each)
    return list(found.values())


def _folders(files: Sequence[Path], to: Path) -> list[Path]:
    """A folder for each image, named by its stem; numbered where two have the same one, also in
    file systems to which capitals are small letters."""
    used: set[str] = set()
    folders = []
    for file in files:
        stem = file.stem.strip(". ") or "image"
        name, count = stem, 1
        while name.casefold() in used:
            count += 1
            name = f"{stem}_{count}"
        used.add(name.casefold())
        folders.append(to / name)
    return folders
