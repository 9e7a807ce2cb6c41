"""lhlbench from Python: what `import benchmark` offers. Importing it imports no torch.

    run = benchmark.run("had", "rooms_s1", seed=0, settings=["recipe.epochs=1"], runs="DIR")
    run.record                            what was measured
    run.predict(images)                   name -> map in the task's unit
    runs = benchmark.load_runs("DIR")
    runs.to_dataframe()                   one row per measured value
    runs.scores(baseline="finetune")      one row per run and score
    print(runs.table())                   a table per sequence, as Markdown
    benchmark.load_network("had-rooms_s1-seed0").network    the torch module
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.config.shipped import shipped
from benchmark.data.sources.source import DataPaths, default_cache
from benchmark.engine.request import DEFAULT_RUNS, RunRequest, option_words
from benchmark.record import Record
from benchmark.report.runs.collection import RunCollection, collect

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from benchmark.engine.callbacks import Callback
    from benchmark.engine.trained import TrainedNetwork


@dataclass(frozen=True)
class Run:
    """A finished run: its record, and what it has trained."""

    folder: Path
    record: Record
    method_file: str | None = None
    """The file of the method, where it is the user's own."""

    def network(self, device: str = "cpu") -> TrainedNetwork:
        """The trained network, see `load_network`. Raises `RequestError` for a run without
        weights, such as a published one."""
        return load_network(self.folder, device=device, method=self.method_file)

    def predict(self, images: Tensor | NDArray[Any],
                tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """What every task says of images, in the task's own unit; see `TrainedNetwork.predict`."""
        return self._network.predict(images, tasks)

    @cached_property
    def _network(self) -> TrainedNetwork:
        return self.network()


@dataclass(frozen=True)
class Runs:
    """Records of many runs, the finished ones to be scored; iterating gives those."""

    collection: RunCollection

    def __len__(self) -> int:
        return len(self.collection.complete)

    def __iter__(self) -> Iterator[Run]:
        return (Run(found.folder, found.record) for found in self.collection.complete)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each record that could not be used, naming its file."""
        return self.collection.warnings

    def where(self, *settings: str) -> Runs:
        """Those with every setting `KEY=VALUE`, such as recipe.lr=0.02. Raises `RequestError` for a
        key that no run has, and where none is left."""
        return Runs(self.collection.with_settings(settings))

    def of_sequences(self, *patterns: str) -> Runs:
        """Those of the sequences of these names or globs. Raises `RequestError` for a pattern that
        no run matches."""
        return Runs(self.collection.of_sequences(patterns))

    def to_dataframe(self, convention: str = "pixel", settings: Sequence[str] = ()) -> pd.DataFrame:
        """One row per measured value, see `benchmark.report.runs.frame.TIDY`; `settings` such as
        recipe.lr become columns too."""
        from benchmark.report.runs.frame import tidy_frame
        from benchmark.report.runs.grid import grids_of

        return tidy_frame(grids_of(self.collection), convention, settings)

    def scores(self, columns: Sequence[str] = ("delta", "forgetting", "bwt"),
               baseline: str = "finetune", convention: str = "pixel") -> pd.DataFrame:
        """One row per run and score or cost (keys as of `lhlbench table --columns`): label,
        sequence, seed, score, value, the reason where it is undefined, and the grid of runs that
        may be compared. Raises `RequestError` for an unknown baseline or column."""
        import pandas as pd

        from benchmark.errors import unknown
        from benchmark.report.runs.grid import grids_of
        from benchmark.report.runs.scoring import GridScores, checked_choice, score_columns

        convention = checked_choice(baseline, convention)
        for name in columns:
            if "/" not in name and name not in (known := score_columns(baseline)):
                raise unknown("score", name, known)
        frames = [GridScores(grid, convention, baseline).frame(columns).assign(grid=grid.title)
                  for grid in grids_of(self.collection)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def table(self, format: str = "md", columns: Sequence[str] | None = None,
              baseline: str = "finetune", convention: str = "pixel") -> str:
        """A table per sequence as md, csv, latex, html or json; what `lhlbench table` prints."""
        from benchmark.report.tables.build import sequence_tables
        from benchmark.report.tables.columns import DEFAULT_COLUMNS
        from benchmark.report.tables.render import render

        tables = sequence_tables(self.collection, None, baseline, convention,
                                 DEFAULT_COLUMNS if columns is None else columns)
        return render(tables, format) or ""


def run(method: str, sequence: str, seed: int = 0, settings: Sequence[str] = (),
        method_settings: Sequence[str] = (), runs: str | Path = DEFAULT_RUNS,
        recipe: str | None = None, tuned: bool = False, device: str = "auto",
        data_root: str | Path | None = None, overwrite: bool = False,
        callback: Callback | None = None) -> Run:
    """Train a method on a sequence, and evaluate it after every phase; as `lhlbench run` does.

    `method` is a name or the path of a method's file, `settings` are such as recipe.epochs=5,
    `method_settings` such as weight=3; the folder of the run is made below `runs`. A finished run
    is not trained again, an interrupted one goes on. Raises `RequestError` before anything is
    written, and `RunError` when the run fails.
    """
    from benchmark.engine.execute import execute
    from benchmark.engine.options import Options
    from benchmark.engine.plan import make_plan

    request = RunRequest(method, sequence, seed, tuple(settings), tuple(method_settings), recipe,
                         tuned)
    root = None if data_root is None else Path(data_root)
    outcome = execute(make_plan(request), Options(
        runs=Path(runs), data_paths=DataPaths(default_cache(), root), device=device,
        overwrite=overwrite, command=request.command(option_words(device, root, Path(runs)))),
        callback)
    return Run(outcome.folder, outcome.record, method if method.endswith(".py") else None)


def load_runs(path: str | Path = DEFAULT_RUNS, published: bool = True) -> Runs:
    """Every record below a folder that agrees with its statistics, and the published ones."""
    found = collect(Path(path), shipped("results/published") if published else None)
    if not all(each.published for each in found.complete):
        from benchmark.report.submission.agreement import agreeing

        found = agreeing(found, Path(path), default_cache())
    return Runs(found)


def load_network(run: str | Path, runs: str | Path = DEFAULT_RUNS, device: str = "cpu",
                 method: str | None = None) -> TrainedNetwork:
    """The network that a finished run has trained.

    `run` is the path of the run's folder, its run id, or a beginning of the id that no other run in
    the folder `runs` has; `device` is cpu, cuda or auto. `method` names the file of a method of
    your own, where it predicts in its own way. Nothing is unpickled, and no code is run but that of
    the method. Raises `RequestError` for a run that cannot be found or used, and `RunError` for a
    weights file that is damaged.
    """
    from benchmark.engine.trained import open_trained

    return open_trained(run, Path(runs), device, method)
