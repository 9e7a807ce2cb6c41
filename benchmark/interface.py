"""lhlbench from Python: what `import benchmark` offers. Importing it imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.engine.request import DEFAULT_RUNS

if TYPE_CHECKING:
    from benchmark.engine.trained import TrainedNetwork


def load_network(run: str | Path, runs: str | Path = DEFAULT_RUNS, device: str = "cpu",
                 method: str | None = None) -> TrainedNetwork:
    """The network that a finished run has trained.

    `run` is the path of the run's folder, its run id, or a beginning of the id that no other run in
    the folder `runs` has; `device` is cpu, cuda or auto. `method` names the file of a method of
    your own, where it predicts in its own way. Nothing is unpickled, and no code is run but that of
    the method.

        network = benchmark.load_network("had-rooms_s1-seed0")
        network.tasks                         name -> task: kind, channels, unit, classes
        network.predict(images)               name -> map in the task's unit
        network.network                       the torch module

    Raises `benchmark.errors.RequestError` for a run that cannot be found or used, and `RunError`
    for a weights file that is damaged.
    """
    from benchmark.engine.trained import open_trained

    return open_trained(run, Path(runs), device, method)
