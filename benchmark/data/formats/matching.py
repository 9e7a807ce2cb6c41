"""Matching images with their labels by file name, and choosing the images for evaluation."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from benchmark.errors import DataError, RequestError, shortened


def _check_glob(pattern: str) -> str:
    path = PurePath(pattern)
    if (not pattern.strip() or not path.parts or path.is_absolute() or ".." in path.parts
            or "\0" in pattern):
        raise ValueError(f"'{pattern}' must be a pattern below root, without '..', "
                         "such as rgb/*.jpg")
    if any("**" in part and part != "**" for part in path.parts):
        raise ValueError(f"'{pattern}': ** stands alone between slashes, as in rgb/**/*.jpg")
    return pattern


Glob = Annotated[str, AfterValidator(_check_glob)]


def _check_stems(stems: Any) -> Any:
    if isinstance(stems, (list, tuple)):
        for stem in stems:
            if not isinstance(stem, str):
                raise ValueError(f"{stem} is read as a number; write stems in quotes, "
                                 "such as [\"0153\"]")
    return stems


class EvalRule(BaseModel):
    """Rule that says which images are for evaluation, in exactly one of three ways.

    All others are for training.

    Names are stems: file names without folder and extension.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    eval: Annotated[tuple[str, ...] | None, BeforeValidator(_check_stems)] = None
    eval_pattern: str | None = Field(None, description="stems like val_*")
    eval_share: float | None = Field(None, gt=0, lt=1)
    seed: int = Field(0, description="which images make up the share")

    @model_validator(mode="after")
    def _one_way(self) -> EvalRule:
        ways = [self.eval, self.eval_pattern, self.eval_share]
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of eval (a list of stems), eval_pattern and eval_share")
        return self

    def choose(self, stems: Sequence[str]) -> set[str]:
        """Return the stems for evaluation; the order of `stems` does not matter.

        Raises `RequestError` when `eval` lists a stem that does not exist.
        """
        if self.eval is not None:
            for stem in sorted(set(self.eval) - set(stems)):
                nearest = difflib.get_close_matches(stem, stems, n=1, cutoff=0.0)
                raise RequestError(f"split.eval: no image has the stem '{stem}'; the nearest is "
                                   f"'{nearest[0]}'")
            return set(self.eval)
        if self.eval_pattern is not None:
            return set(fnmatch.filter(stems, self.eval_pattern))
        by_hash = sorted(stems, key=lambda stem: hashlib.sha256(
            f"{self.seed}:{stem}".encode()).digest())
        return set(by_hash[:round((self.eval_share or 0.0) * len(stems))])


@dataclass(frozen=True)
class Item:
    """One image and its label file of every task."""

    stem: str
    image: Path
    labels: Mapping[str, Path]


def find_root(root: str, family: Path, data_root: Path | None) -> Path:
    """Return the folder that `root` names: absolute, or below `family`, or below `data_root`.

    Raises `DataError` when there is none, or when a relative `root` contains '..'.
    """
    try:
        path = Path(root).expanduser()
    except RuntimeError:
        raise DataError(f"root: nobody here has the home folder of '{shortened(root)}'") from None
    if not path.is_absolute() and ".." in path.parts:
        raise DataError(f"root: '{root}' leaves its folder with '..'; write the absolute path, or "
                        "the name of a folder below --data-root")
    tried = dict.fromkeys(base / path for base in (family, data_root) if base is not None)
    for folder in tried:
        if os.path.isdir(folder):
            return folder.resolve()
    names = (shortened(str(folder), 300) for folder in tried)
    raise DataError(f"root: there is no folder {' and no folder '.join(names)}; "
                    "correct root, or say --data-root where your data is")


def find_files(root: Path, pattern: str, what: str) -> dict[str, Path]:
    """Return the files below `root` that match `pattern`, by stem; hidden ones are ignored.

    Raises `DataError` when nothing matches, when two files have one stem, and when a link leads
    out of `root`.
    """
    try:
        found = sorted(path for path in root.glob(pattern) if not path.is_dir() and not any(
            part.startswith(".") for part in path.relative_to(root).parts))
    except OSError as error:  # a name that is too long
        raise DataError(f"{what}: '{shortened(pattern)}' cannot be looked for in {root}: "
                        f"{error.strerror}") from None
    if not found:
        raise DataError(f"{what}: no file matches '{pattern}' in {root}; correct the pattern "
                        "(capital letters count) or root")
    _refuse_outside(root, found)
    files: dict[str, Path] = {}
    for path in found:
        stem = stem_of(path.name, PurePath(pattern).name)
        if stem in files:
            raise DataError(f"{what}: {files[stem]} and {path} have the same stem '{stem}', so "
                            "labels cannot be matched; rename one or narrow the pattern")
        files[stem] = path
    return files


def stem_of(name: str, pattern: str) -> str:
    """Return the part of a file's name that the wildcard of the pattern stands for, no extension.

    The pattern *_depth.png gives 0153 for 0153_depth.png. Under a pattern with several wildcards
    it is the whole name without extension.
    """
    stem, form = PurePath(name).stem, PurePath(pattern).stem
    if form.count("*") == 1 and not set(form) & set("?["):
        before, after = form.split("*")
        return stem[len(before):len(stem) - len(after)] or stem
    return stem


def match(images: Mapping[str, Path], labels: Mapping[str, Mapping[str, Path]]) -> list[Item]:
    """Return one item per image, sorted by stem.

    Raises `DataError` for an image without its label of some task; labels without an image are
    ignored.
    """
    items = []
    for stem in sorted(images):
        for task, files in labels.items():
            if stem not in files:
                folder = next(iter(files.values())).parent
                raise DataError(f"{images[stem]} has no label of task '{task}': no file in "
                                f"{folder} has the stem '{stem}'; add it or leave the image out")
        items.append(Item(stem, images[stem], {task: labels[task][stem] for task in labels}))
    return items


def _refuse_outside(root: Path, files: Sequence[Path]) -> None:
    # Resolving every file of a large data set is slow: folders once, files only when links.
    suspects = sorted({path.parent for path in files}) + [p for p in files if p.is_symlink()]
    for path in suspects:
        try:
            inside = path.resolve(strict=True).is_relative_to(root)
        except (OSError, RuntimeError):
            raise DataError(f"{path} is a link that leads nowhere; mend or remove it") from None
        if not inside:
            raise DataError(f"{path} is a link that leads out of {root}; copy the files into it, "
                            "or let root name the folder that holds all of them")
