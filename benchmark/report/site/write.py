"""Writing the site: every page of it, into a folder that replaces the old one as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.errors import RequestError
from benchmark.record import RECORD_FILE, STATISTICS_FILE
from benchmark.report.runs.collection import Collection, StoredRun
from benchmark.report.runs.grid import BASELINES, Grid, grids_of
from benchmark.report.runs.groups import matching
from benchmark.report.runs.settings import fingerprint
from benchmark.report.site import contents
from benchmark.report.site.leaderboard import Board, Scored, board
from benchmark.report.site.pages import Pages
from benchmark.report.site.panels import copy_panels
from benchmark.report.site.replace_site import replace_site
from benchmark.report.site.run_page import Place
from benchmark.report.site.slugs import slug

RESCORED = 128 * 2**20
"""Bytes of statistics that are read to show leaderboards under the image convention."""
STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Written:
    """What a site came to hold."""

    index: Path
    boards: int
    methods: int
    runs: int
    notes: tuple[str, ...]


def write_site(collection: Collection, to: Path,
               sequences: Sequence[str] | None = None) -> Written:
    """Write the site of `collection` in place of the one in `to`; `sequences` are names or globs.

    Raises `RequestError` for patterns that no run matches, and when `to` is something else than a
    site; the old site is then as it was.
    """
    site = _Site(collection, sequences)
    replace_site(to, site.fill)
    return Written(to / "index.html", len(site.boards), len(site.methods), len(site.found),
                   tuple(site.notes))


class _Site:
    """A site in the making: the grids of a collection, scored once."""

    def __init__(self, collection: Collection, sequences: Sequence[str] | None) -> None:
        self.found = matching(collection, sequences)
        self.notes: list[str] = []
        grids = sorted(grids_of(collection, sequences),
                       key=lambda grid: (-_runs(grid), grid.title))
        self.scored = [Scored(grid) for grid in grids]
        self.rescored = self._rescored(grids)
        self.boards = self._boards()

    @cached_property
    def methods(self) -> dict[str, list[StoredRun]]:
        """The runs of every method, by its name."""
        return {name: [found for found in self.found if found.record.method.name == name]
                for name in sorted({found.record.method.name for found in self.found})}

    @cached_property
    def places(self) -> dict[str, Place]:
        """Run id -> where the run stands among others."""
        return {found.record.run_id: Place(scored, line, at)
                for scored in self.scored for line in scored.grid.lines
                for at, found in (line.runs | line.failed).items()}

    def fill(self, folder: Path) -> None:
        """Write every page below `folder`, which is empty."""
        pages = Pages(folder)
        for name in ("site.css", "site.js"):
            shutil.copyfile(STATIC / name, folder / name)
        for file, shown in self.boards.items():
            pages.write(file, "board.html", **contents.of_board(shown, self.boards))
        pages.write("methods.html", "methods.html", **contents.of_methods(self.methods))
        pages.write("runs.html", "runs.html", **contents.of_runs(self.found, self.places))
        for name, found in self.methods.items():
            pages.write(contents.method_file(name), "method.html",
                        **contents.of_method(name, found, self.scored))
        panels = copy_panels(self.found, folder / "runs")
        for each in self.found:
            self._run(pages, each, panels.get(each.record.run_id, []))

    def _run(self, pages: Pages, found: StoredRun, panels: list[tuple[str, str]]) -> None:
        file = contents.run_file(found.record.run_id)
        place = self.places.get(found.record.run_id)
        pages.write(file, "run.html", **contents.of_run(found, place, panels))
        shutil.copyfile(found.folder / RECORD_FILE, (pages.folder / file).with_suffix(".json"))

    def _rescored(self, grids: Sequence[Grid]) -> dict[str, Scored]:
        """Grids by title that are shown under the image convention too."""
        left, found = RESCORED, {}
        for grid in grids:
            size = _statistics(grid)
            if size is None:
                self.notes.append(f"{grid.title}: no image convention, since statistics of some "
                                  "runs are not there")
            elif size > left:
                self.notes.append(f"{grid.title}: no image convention, since its runs have more "
                                  f"statistics ({size / 2**20:.0f} MiB) than are read for a site")
            else:
                try:
                    found[grid.title] = Scored(grid, "image")
                    left -= size
                except RequestError as error:
                    self.notes.append(f"{grid.title}: no image convention: {error}")
        return found

    def _boards(self) -> Mapping[str, Board]:
        """File -> leaderboard; the first one is the index."""
        boards: dict[str, Board] = {}
        for scored in self.scored:
            both = [scored, *([again] if (again := self.rescored.get(scored.grid.title)) else [])]
            for each in both:
                for baseline in each.baselines or BASELINES[:1]:
                    file = _board_file(each, baseline) if boards else "index.html"
                    boards[file] = board(each, baseline)
        return boards


def _board_file(scored: Scored, baseline: str) -> str:
    grid = scored.grid
    variant = f" {fingerprint(grid.variant)}" if grid.variant else ""
    return f"board-{slug(f'{grid.family}{variant}-{baseline}-{scored.convention}')}.html"


def _runs(grid: Grid) -> int:
    return sum(len(line.runs) for line in grid.lines)


def _statistics(grid: Grid) -> int | None:
    """Bytes of the statistics of all runs; None when a file is not there."""
    files = [found.folder / STATISTICS_FILE for line in grid.lines for found in line.runs.values()]
    return sum(file.stat().st_size for file in files) if all(map(Path.is_file, files)) else None
