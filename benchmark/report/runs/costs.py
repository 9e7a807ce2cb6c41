"""What methods cost: memory between phases, parameters, exemplars, passes and time."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.record import Cost, PhaseInfo
from benchmark.report.runs.collection import StoredRun
from benchmark.scores import Score

MIB = 2**20
COLUMNS = {"carried": ("carried", "MiB"), "exemplars": ("exemplars", ""),
           "exemplar_bytes": ("of these", "MiB"), "parameters_added": ("parameters added", "%"),
           "forwards": ("forwards per image", ""), "backwards": ("backwards per image", ""),
           "memory": ("peak memory", "MiB"), "train": ("training", "s")}
"""Key -> title and unit. Passes are those of encoders, teachers' too, per training image:
finetune has one each."""


def costs(runs: Sequence[StoredRun]) -> dict[str, list[Score]]:
    """Every cost of `COLUMNS`, for each run."""
    found = [_of(each.record.cost, each.record.phases) for each in runs]
    return {key: [each[key] for each in found] for key in COLUMNS}


def _of(cost: Cost | None, phases: Sequence[PhaseInfo]) -> dict[str, Score]:
    values = {"train": Score(sum(phase.train_seconds for phase in phases)),
              "memory": Score(max((phase.peak_memory_bytes for phase in phases), default=0) / MIB),
              "forwards": _per_image([phase.encoder_forwards for phase in phases], phases),
              "backwards": _per_image([phase.encoder_backwards for phase in phases], phases)}
    if cost is None:
        missing = Score(None, "not recorded")
        return dict.fromkeys(COLUMNS, missing) | values
    own = cost.parameters - cost.parameters_added
    return values | {"carried": Score(cost.carried_bytes / MIB),
                     "exemplars": Score(float(cost.exemplars)),
                     "exemplar_bytes": Score(cost.exemplar_bytes / MIB),
                     "parameters_added": Score(100 * cost.parameters_added / own)}


def _per_image(passes: Sequence[int | None], phases: Sequence[PhaseInfo]) -> Score:
    images = sum(phase.images for phase in phases)
    known = [each for each in passes if each is not None]
    if len(known) < len(phases) or not images:
        return Score(None, "passes were not recorded")
    return Score(sum(known) / images)
