"""Writing the site: every page of it, into a folder that replaces the old one as a whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmark import __version__
from benchmark.errors import RequestError, visible
from benchmark.files import writing
from benchmark.record import RECORD_FILE, STATISTICS_FILE
from benchmark.report.runs.collection import RunCollection, StoredRun
from benchmark.report.runs.grid import BASELINES, Grid, grids_of
from benchmark.report.runs.scoring import MIB
from benchmark.report.runs.summary import heading, number_text
from benchmark.report.site import charts
from benchmark.report.site.file_names import leaderboard_file, method_file, run_file
from benchmark.report.site.leaderboard import Leaderboard, leaderboard, leaderboard_choices
from benchmark.report.site.method_page import method_content, methods_content, methods_of
from benchmark.report.site.previews import Picture, copy_previews
from benchmark.report.site.run_page import RunInGrid, run_content, runs_content
from benchmark.report.site.scores import ScoredGrid, keys_text

HERE = Path(__file__).parent
MARKER = ".lhlbench-site"
"""The file that marks a folder as a site, which may be replaced."""
STATISTICS_ROOM = 128 * MIB
"""Bytes of statistics that are read to show leaderboards under the image convention."""
ROWS = 100
"""Rows of a group that a browser shows until more are wanted."""


@dataclass(frozen=True)
class WrittenSite:
    """What a site came to hold."""

    index: Path
    leaderboards: int
    methods: int
    runs: int
    notes: tuple[str, ...]


def write_site(collection: RunCollection, to: Path,
               sequences: Sequence[str] | None = None) -> WrittenSite:
    """Write the site of `collection` in place of the one in `to`; `sequences` are names or globs.

    Raises `RequestError` for patterns that no run matches, and when `to` is something else than a
    site; the old site is then as it was.
    """
    site = _Site(collection.of_sequences(sequences))
    with writing(to):
        replace_site(to, site.write)
    return WrittenSite(to / "index.html", len(site.leaderboards), len(site.methods),
                       len(site.runs), tuple(site.notes))


def replace_site(to: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill an empty folder beside `to`, then put it in place of `to`.

    Raises `RequestError`, before anything is written, when `to` is there and is neither empty nor
    a site of ours; and whatever `write` raises, with `to` as it was before.
    """
    to = to.resolve()
    if to.exists() and not _replaceable(to):
        raise RequestError(f"{to} is not a site that lhlbench report wrote and will not be "
                           "replaced; name another folder with --to")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as folder:
        new, old = Path(folder) / "new", Path(folder) / "old"
        new.mkdir()
        write(new)
        (new / MARKER).write_text("Written by lhlbench report, which replaces the whole folder.\n")
        if to.exists():
            to.rename(old)
        try:
            new.rename(to)
        except BaseException:
            if old.exists():
                old.rename(to)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MARKER).is_file() or not any(folder.iterdir()))


class _Site:
    """The pages of a collection: its grids, scored once, and what is shown of them."""

    def __init__(self, collection: RunCollection) -> None:
        self.runs = collection.runs
        self.methods = methods_of(self.runs)
        self.notes: list[str] = []
        grids = sorted(grids_of(collection), key=lambda grid: (-len(_finished(grid)), grid.title))
        self.grids = [ScoredGrid(grid) for grid in grids]
        self.leaderboards = self._leaderboards()
        self.in_grid = {run.record.run_id: RunInGrid(scored, method, key)
                        for scored in self.grids for method in scored.grid.methods
                        for key, run in method.all_runs.items()}

    def write(self, folder: Path) -> None:
        """Write every page below `folder`, which is empty."""
        pages = _Pages(folder)
        shutil.copytree(HERE / "static", folder, dirs_exist_ok=True)
        for file, shown in self.leaderboards.items():
            pages.write(file, "leaderboard.html", {
                "page": "index", "title": f"{shown.grid.title}: leaderboard",
                "leaderboard": shown, "choices": leaderboard_choices(shown, self.leaderboards)})
        pages.write("methods.html", "methods.html", methods_content(self.methods))
        pages.write("runs.html", "runs.html", runs_content(self.runs, self.in_grid))
        for method in self.methods:
            pages.write(method_file(method.name), "method.html",
                        method_content(method, self.grids))
        pictures = copy_previews(self.runs, folder / "runs")
        for run in self.runs:
            self._write_run(pages, run, pictures.get(run.record.run_id, []))

    def _write_run(self, pages: _Pages, run: StoredRun, pictures: Sequence[Picture]) -> None:
        run_id = run.record.run_id
        pages.write(run_file(run_id), "run.html",
                    run_content(run.record, self.in_grid.get(run_id), pictures))
        shutil.copyfile(run.folder / RECORD_FILE, pages.folder / run_file(run_id, "json"))

    def _leaderboards(self) -> dict[str, Leaderboard]:
        """File -> leaderboard; the first one is the index."""
        leaderboards: dict[str, Leaderboard] = {}
        by_image = self._by_image()
        for pixel in self.grids:
            title = pixel.grid.title
            for scored in (pixel, *([by_image[title]] if title in by_image else [])):
                for baseline in scored.baselines or BASELINES[:1]:
                    file = leaderboard_file(scored.grid, baseline, scored.convention)
                    leaderboards[file if leaderboards else "index.html"] = leaderboard(scored,
                                                                                       baseline)
        return leaderboards

    def _by_image(self) -> dict[str, ScoredGrid]:
        """Grids by title under the image convention too, as far as their statistics allow."""
        left, found = STATISTICS_ROOM, {}
        for grid in (scored.grid for scored in self.grids):
            files = [run.folder / STATISTICS_FILE for run in _finished(grid)]
            if not all(map(Path.is_file, files)):
                self.notes.append(f"{grid.title}: no image convention, since statistics of some "
                                  "runs are not there")
                continue
            size = sum(file.stat().st_size for file in files)
            if size > left:
                self.notes.append(f"{grid.title}: no image convention, since its runs have more "
                                  f"statistics ({size / MIB:.0f} MiB) than are read for a site")
                continue
            scored = ScoredGrid(grid, "image")
            if scored.errors:
                error = next(iter(scored.errors.values()))
                self.notes.append(f"{grid.title}: no image convention: {error}")
                continue
            found[grid.title] = scored
            left -= size
        return found


def _finished(grid: Grid) -> list[StoredRun]:
    return [run for method in grid.methods for run in method.runs.values()]


class _Pages:
    """Writes pages below `folder`; what comes from records is text in them, never markup."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True,
            undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True,
            auto_reload=False)
        self.environment.globals |= {"version": __version__, "ROWS": ROWS, "size": charts}
        self.environment.filters |= {
            "number": _number, "sortable": "{:.7g}".format, "mib": _mib, "keys": keys_text,
            "heading": lambda column: heading(column.title, column.unit, column.higher_is_better),
            "method_file": method_file}

    def write(self, file: str, template: str, content: dict[str, Any]) -> None:
        """Render `template` into `file`, a path below the site's folder."""
        root = "../" * file.count("/")
        text = self.environment.get_template(template).render(root=root, **content)
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "replace"))


def _shown(value: Any) -> Any:
    """Text without control characters, which no page may hold."""
    return visible(value) if type(value) is str else value


def _number(value: float | None, digits: int) -> str:
    """As `number_text`, with a true minus sign."""
    return number_text(value, digits).replace("-", "\N{MINUS SIGN}")


def _mib(size: int) -> str:
    return f"{size / MIB:.1f}"
