"""Conformance checks: the properties every method must have, tested by running it.

Each check runs the method on tiny rendered rooms and raises `Broken` where a property is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.config.overrides import setting_text
from benchmark.data.sources.source import DataPaths
from benchmark.engine import checkpoint
from benchmark.engine.callbacks import Callback
from benchmark.engine.execute import Outcome, execute, open_visible_store
from benchmark.engine.options import Options, Stopped
from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.protocol import LifelongRun
from benchmark.engine.reevaluate import measure_again, values_that_differ
from benchmark.engine.request import RunRequest
from benchmark.engine.state_files import BOUNDARY_FILE
from benchmark.engine.trained import open_trained
from benchmark.method import Method
from benchmark.record import load_statistics
from benchmark.registry import find_method

TINY = ("dataset.train=24", "dataset.eval=6", "dataset.height=24", "dataset.width=32",
        "recipe.epochs=2", "recipe.batch=4", "recipe.head_channels=8")
_SIZE = (24, 32)
_TWO_BACKBONES = ("rooms_hetero_s1", ("dataset.height=32",))
ALL_KINDS = ("rooms5_s1", ("dataset.train=20",))
_ONE_TASK = """\
family: single
about: One task.
dataset: {name: rooms}
tasks: [depth]
recipe: rooms
"""
_TWO_TASKS = _ONE_TASK.replace("single", "pair").replace("[depth]", "[edge, normal]")


class Broken(Exception):
    """A method lacks a property that it must have; the message says which and where."""


@dataclass
class Bench:
    """Runs one method on tiny sequences, with records below `folder`; equal runs are done once."""

    method: str
    folder: Path
    cache: Path
    _done: dict[Any, Outcome] = field(default_factory=dict)

    @property
    def method_class(self) -> type[Method]:
        """Class of the method that is checked."""
        return find_method(self.method)

    def plan(self, sequence: str = "rooms_s1", settings: Sequence[str] = (),
             method_settings: Sequence[str] = (), seed: int = 0, method: str = "") -> Plan:
        """The plan of a run; `method` names another method than the one checked."""
        return make_plan(RunRequest(method or self.method, sequence, seed, (*TINY, *settings),
                                    tuple(method_settings)))

    def run(self, sequence: str = "rooms_s1", settings: Sequence[str] = (),
            method_settings: Sequence[str] = (), seed: int = 0, method: str = "",
            runs: str = "runs") -> Outcome:
        """An uninterrupted run, with its record below the folder named `runs`."""
        key = (sequence, tuple(settings), tuple(method_settings), seed, method, runs)
        if key not in self._done:
            plan = self.plan(sequence, settings, method_settings, seed, method)
            self._done[key] = execute(plan, self.options(runs))
        return self._done[key]

    def trained(self, sequence: str, settings: Sequence[str]) -> LifelongRun:
        """An uninterrupted run at its end, with method and network as they are evaluated."""
        folder = self.run(sequence, settings).folder
        plan, options = self.plan(sequence, settings), self.options("runs")
        store = open_visible_store(plan, options.data_paths)
        ended = LifelongRun(plan, options, Callback(), store, folder)
        ended.all_phases()
        return ended

    def options(self, runs: str, **others: Any) -> Options:
        """Options of a run on the CPU, with its record below the folder named `runs`."""
        return Options(runs=self.folder / runs, data_paths=DataPaths(self.cache), device="cpu",
                       **others)

    def family(self, text: str) -> str:
        """The first sequence of a family given as YAML, which is written to a file."""
        name = text.split()[1]
        path = self.folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return f"{path}:s1"


def keeps_the_contract(bench: Bench) -> None:
    """Its hooks take, return and leave alone what the interface asks for."""
    _require_finite(bench.run())


def zero_is_finetune(bench: Bench) -> None:
    """With the settings in `zero`, it equals finetune bit for bit, all task kinds."""
    sequence, settings = ALL_KINDS
    off = [f"{key}={setting_text(value)}" for key, value in bench.method_class.zero.items()]
    require_equal(bench.run(sequence, settings, off), bench.run(sequence, settings,
                                                                 method="finetune"),
                   f"with {', '.join(off)} it is not finetune")


def is_not_finetune(bench: Bench) -> None:
    """With its default settings, it is not finetune."""
    if bench.run().record.matrix == bench.run(method="finetune").record.matrix:
        raise Broken("its numbers are those of finetune: does it do anything?")


def is_deterministic(bench: Bench) -> None:
    """The same seed gives the same numbers, another seed others."""
    first = bench.run("rooms_s2")
    require_equal(first, bench.run("rooms_s2", runs="again"), "the same seed gave other numbers")
    if bench.run("rooms_s2", seed=1).record.matrix == first.record.matrix:
        raise Broken("another seed gave the same numbers")


def resumes(bench: Bench) -> None:
    """Stopped inside and between phases and resumed, it equals the uninterrupted run.

    The method's module is imported anew each time, so that nothing outside of `state_dict` comes
    along.
    """
    whole = bench.run()
    stops = [(1, 1), (1, 0), (2, 1), (2, 2), (2, 0), (3, 2)]  # phase, and epoch or 0 at its end

    def everywhere_once(phase: int, epoch: int) -> bool:
        wanted = (phase, epoch) in stops
        if wanted:
            stops.remove((phase, epoch))
        return wanted

    for _ in range(100):
        sys.modules.pop(bench.method_class.__module__, None)
        try:
            resumed = execute(bench.plan(), bench.options("resumed", checkpoint_seconds=0,
                                                          stop_when=everywhere_once))
            break
        except Stopped:
            torch.rand(3)  # generators are no way to carry state either
    require_equal(resumed, whole, "a resumed run differs from an uninterrupted one: state is "
                   "missing from state_dict, or begin_phase changes something twice")


def state_is_what_is_counted(bench: Bench) -> None:
    """The carried bytes of the record are those of the checkpoints; images are declared."""
    most, declared = 0, bench.method_class.needs
    for phase in (1, 2):
        plan = bench.plan()
        options = bench.options(f"until {phase}", stop_when=lambda p, e, end=phase: p == end
                                and e == 0)
        try:
            execute(plan, options)
        except Stopped:
            pass
        else:
            if bench.method_class.kind == "bound":
                return
        (file,) = (bench.folder / f"until {phase}").glob(f"*/{BOUNDARY_FILE}")
        state = checkpoint.load_state(file)["method"]
        most = max(most, checkpoint.tensor_bytes(state))
        if "exemplars" not in declared and any(map(_is_image, _tensors(state))):
            raise Broken(f"its state after phase {phase} holds images of the training set's size, "
                         "and `needs` does not say exemplars")
    cost = bench.run().record.cost
    if cost is None or cost.carried_bytes != most:
        raise Broken(f"the record says {cost and cost.carried_bytes} bytes are carried, the "
                     f"checkpoints hold {most}")
    if ("exemplars" in declared) != bool(cost.exemplars):
        raise Broken(f"`needs` is {declared} and {cost.exemplars} exemplars are kept")


def keeps_to_its_own_data(bench: Bench) -> None:
    """It reads no data of an earlier phase (they refuse), also on shared images."""
    _require_finite(bench.run("rooms_s3", ("split=shared", "dataset.train=8")))


def learns_every_kind(bench: Bench) -> None:
    """Segmentation, regression, direction and binary, in two orders."""
    for sequence in ("rooms5_s1", "rooms5_s3"):
        _require_finite(bench.run(sequence, ALL_KINDS[1]))


def predicts_any_image(bench: Bench) -> None:
    """Finite outputs for black, white and random images, each by itself, and nothing learnt."""
    run = bench.trained(*ALL_KINDS)
    tasks, network = tuple(run.tasks.values()), run.network.eval()
    images = torch.rand(4, 3, *_SIZE, generator=torch.Generator().manual_seed(0))
    images[0], images[1] = 0, 1
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        together = run.method.predict(network, images.clone(), tasks)
        single = [run.method.predict(network, image[None].clone(), tasks) for image in images]
    for task in tasks:
        raw = together[task.name]
        if raw.shape != (4, task.channels, *_SIZE) or raw.dtype not in (torch.float32,
                                                                        torch.float64):
            raise Broken(f"its output of {task.name} is {raw.dtype} {list(raw.shape)}, not float32 "
                         f"{[4, task.channels, *_SIZE]}")
        if not raw.isfinite().all():
            raise Broken(f"its output of {task.name} is not finite for every image")
        alone = torch.cat([each[task.name] for each in single])
        if not torch.allclose(raw, alone, rtol=1e-3, atol=1e-3 * float(raw.abs().max())):
            raise Broken(f"its output of {task.name} depends on the other images of a batch")
    if any(not torch.equal(value, before[name]) for name, value in network.state_dict().items()):
        raise Broken("predict changes the network")


def learns_any_number_of_tasks(bench: Bench) -> None:
    """Sequences of 1, 2 and 10 tasks."""
    for sequence in (bench.family(_ONE_TASK), bench.family(_TWO_TASKS)):
        _require_finite(bench.run(sequence, ("recipe.epochs=1",)))
    _require_finite(bench.run("rooms10_s1", ("dataset.train=40", "recipe.epochs=1")))


def works_in_bf16(bench: Bench) -> None:
    """Under bf16 autocast."""
    _require_finite(bench.run(settings=("recipe.precision=bf16",)))


def survives_augmentation(bench: Bench) -> None:
    """With images cropped, zoomed and flipped at random."""
    _require_finite(bench.run(settings=("recipe.crop=[16,16]", "recipe.flip=true",
                                        "recipe.scales=[1,1.5]")))


def survives_another_backbone(bench: Bench) -> None:
    """From a CNN to a transformer and back."""
    _require_finite(bench.run(*_TWO_BACKBONES))


def is_rebuilt_from_its_weights(bench: Bench) -> None:
    """What is rebuilt from the weights of a run has the scores of the run, bit for bit."""
    own_file = bench.method if bench.method.endswith(".py") else None
    for done in (bench.run(), bench.run(*_TWO_BACKBONES)):
        trained = open_trained(done.folder, done.folder.parent, method=own_file)
        values = measure_again(trained, DataPaths(bench.cache))
        if wrong := values_that_differ(trained.record, values):
            raise Broken(f"rebuilt from its weights, it predicts something else: {wrong[0]}; what "
                         "predict needs is missing from state_dict")


@dataclass(frozen=True)
class Check:
    """One property, and how it is tested."""

    name: str
    about: str
    run: Callable[[Bench], None]


CHECKS = tuple(Check(run.__name__, (run.__doc__ or "").split("\n")[0].rstrip("."), run) for run in (
    keeps_the_contract, zero_is_finetune, is_not_finetune, is_deterministic, resumes,
    state_is_what_is_counted, keeps_to_its_own_data, learns_every_kind, predicts_any_image,
    learns_any_number_of_tasks, works_in_bf16, survives_augmentation, survives_another_backbone,
    is_rebuilt_from_its_weights))
"""The first is what the others rely on."""
_FOR_LIFELONG = {"zero_is_finetune", "is_not_finetune"}


def checks_for(method: type[Method]) -> list[Check]:
    """The checks that apply: bounds and finetune itself are not compared with finetune, and a
    method without a strength has no zero."""
    reference = method.kind == "bound" or method.name == "finetune"
    return [check for check in CHECKS
            if not (reference and check.name in _FOR_LIFELONG)
            and not (check.name == "zero_is_finetune" and not method.zero)]


def require_equal(one: Outcome, other: Outcome, message: str) -> None:
    """Matrix, statistics and final weights are equal, bit for bit."""
    for task, metrics in one.record.matrix.items():
        for metric, values in metrics.items():
            if values != (others := other.record.matrix.get(task, {}).get(metric)):
                raise Broken(f"{message}: {task} {metric} is {values}, not {others}")
    states = [checkpoint.load_state(each.folder / BOUNDARY_FILE)["network"]
              for each in (one, other)]
    if states[0].keys() != states[1].keys():
        raise Broken(f"{message}: the networks have other parameters")
    for name, value in states[0].items():
        if not torch.equal(value, states[1][name]):
            raise Broken(f"{message}: {name} differs")
    found = [load_statistics(each.folder) for each in (one, other)]
    for key, fields in found[0].items():
        for name, array in fields.items():
            if not np.array_equal(array, found[1][key][name], equal_nan=True):
                raise Broken(f"{message}: statistics {key}, {name} differ")


def _require_finite(outcome: Outcome) -> None:
    if outcome.record.status != "complete":
        raise Broken(f"the run on {outcome.record.sequence} failed: {outcome.record.reason}")
    if outcome.record.reason:
        raise Broken(f"metrics on {outcome.record.sequence} are {outcome.record.reason}")


def _tensors(state: Any) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _is_image(tensor: torch.Tensor) -> bool:
    return tensor.dim() >= 3 and tuple(tensor.shape[-3:]) == (3, *_SIZE)
