"""Tuning: choosing a method's settings by one protocol for all methods.

Every method gets the same number of trials on the same sequence, whose family holds a part of its
training images out and is on no leaderboard. A trial's score is Delta against finetune there.
Finetune itself chooses the learning rate, by what it has just learnt after each phase.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.config.overrides import setting_text
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError, RunError
from benchmark.method import Method
from benchmark.record import Record
from benchmark.registry import find_method
from benchmark.scores import Curve, Matrix, Score, delta

LEARNING_RATES = {"recipe.lr": (0.003, 0.005, 0.008, 0.012, 0.02, 0.03)}
"""The grid of finetune."""
BUDGET = 6
"""Trials of a method, its defaults among them."""

Settings = dict[str, Any]


@dataclass
class Trial:
    """One choice of settings and how it did, per seed."""

    settings: Settings
    scores: list[Score] = field(default_factory=list)

    @property
    def score(self) -> float | None:
        """The mean over seeds; None when it is undefined for one of them."""
        values = [score.value for score in self.scores if score.value is not None]
        return sum(values) / len(values) if len(values) == len(self.scores) else None


@dataclass
class Tuning:
    """All trials of a method; the best one is `chosen`."""

    method: str
    sequence: str
    seeds: tuple[int, ...]
    grid: dict[str, list[Any]]
    score: str
    trials: list[Trial]

    @property
    def chosen(self) -> Settings:
        """The settings of the best trial; of equal ones the first, and defaults come first.

        Raises `RunError` when no trial has a score.
        """
        scored = [(trial.score, trial.settings) for trial in self.trials
                  if trial.score is not None]
        if not scored:
            raise RunError(f"no trial of {self.method} has a score: "
                           f"{self.trials[0].scores[0].reason}")
        return max(scored, key=lambda pair: pair[0])[1]

    def as_dict(self) -> dict[str, Any]:
        """JSON values of everything: what was tried, its scores, and the choice."""
        return {"method": self.method, "sequence": self.sequence, "seeds": list(self.seeds),
                "score": self.score, "grid": self.grid, "trials": [
                    {"settings": trial.settings, "score": trial.score,
                     "scores": [score.value for score in trial.scores]}
                    for trial in self.trials], "chosen": self.chosen}


def trial_settings(grid: Mapping[str, Sequence[Any]], defaults: Settings,
            budget: int = BUDGET) -> list[Settings]:
    """At most `budget` points of a grid: the defaults, then others in an order drawn by a fixed
    seed, the same for everybody."""
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    others = [point for point in points if point != defaults]
    random.Random(0).shuffle(others)
    return [defaults, *others][:budget]


def tune(method: str, sequence: str, seeds: Sequence[int], options: Options, budget: int = BUDGET,
         on_trial: Callable[[Trial], None] = lambda trial: None,
         settings: Sequence[str] = ()) -> Tuning:
    """Run every trial that is not done yet, with `settings` of the recipe for all of them.

    `on_trial` is called with each trial once it has its scores. Raises `RequestError` for a method
    without a grid.
    """
    found = find_method(method)

    def run(point: Settings, seed: int, name: str = method) -> Record:
        texts = [f"{key}={setting_text(value)}" for key, value in point.items()]
        recipe = [text for text in texts if text.startswith("recipe.")]
        own = [text for text in texts if not text.startswith("recipe.")]
        request = RunRequest(name, sequence, seed, (*settings, *recipe), tuple(own))
        return execute(make_plan(request), options).record

    if found.name == "finetune":
        usual = make_plan(RunRequest(method, sequence, settings=tuple(settings))).config.recipe.lr
        grid: Mapping[str, Sequence[Any]] = LEARNING_RATES
        trials = [Trial(point) for point in trial_settings(grid, {"recipe.lr": usual}, budget)]
        score = "mean gain in % of what was just learnt, over the recipe's own learning rate"
    else:
        grid = grid_of(found)
        defaults = {key: found.Config.model_fields[key].default for key in grid}
        trials = [Trial(point) for point in trial_settings(grid, defaults, budget)]
        score = "Delta against finetune in %"
    for trial in trials:
        for seed in seeds:
            record = run(trial.settings, seed)
            baseline = run(trials[0].settings, seed) if found.name == "finetune" else run(
                {}, seed, "finetune")
            measure = _learning if found.name == "finetune" else delta
            trial.scores.append(measure(Matrix.of(record), Matrix.of(baseline)))
        on_trial(trial)
    return Tuning(found.name, sequence, tuple(seeds), {k: list(v) for k, v in grid.items()},
                  score, trials)


def grid_of(method: type[Method]) -> Mapping[str, Sequence[Any]]:
    """The settings a method lets be tuned. Raises `RequestError` when there are none."""
    if not method.grid:
        raise RequestError(f"{method.name} has no settings to tune (Method.grid)")
    return method.grid


def _learning(matrix: Matrix, baseline: Matrix) -> Score:
    """Mean relative gain in % of every metric just after its task's phase, tasks weighing alike."""
    tasks = []
    for ours, theirs in zip(matrix.tasks, baseline.tasks, strict=True):
        gains = [gain for one, other in zip(ours, theirs, strict=True)
                 if (gain := _gain(one, other)) is not None]
        if not gains:
            return Score(None, f"{ours[0].task} was not measured")
        tasks.append(sum(gains) / len(gains))
    return Score(sum(tasks) / len(tasks))


def _gain(one: Curve, other: Curve) -> float | None:
    value, base = one.after(one.learnt), other.after(other.learnt)
    if value is None or not base:
        return None
    return 100 * (value - base) / abs(base) * (1 if one.higher_is_better else -1)
