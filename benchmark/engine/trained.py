"""Trained runs in use: the network and the method of a finished run, rebuilt from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from benchmark.config.recipe import Recipe
from benchmark.data.loading.array_loader import pixels
from benchmark.engine.environment import make_fabric
from benchmark.engine.run_folder import find_run, load_finished
from benchmark.engine.weights import Weights, load_weights
from benchmark.errors import RequestError, unknown
from benchmark.method import Method, MethodConfig, kinds
from benchmark.model.network import Network
from benchmark.record import Record
from benchmark.registry import find_method, plug_in_digest
from benchmark.tasks import Task
from benchmark.tasks.registry import file_digests


@dataclass(frozen=True)
class TrainedNetwork:
    """What a run has trained, ready to predict."""

    folder: Path
    record: Record
    network: Network
    """The torch module, in eval mode: `network.backbone` and `network.heads[task]`."""
    method: Method
    """Predicts with the network; most methods do so by `network.outputs` alone."""

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks by name, in the order of learning."""
        return dict(self.network.tasks)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.mean.device

    def chosen(self, names: Sequence[str] | None) -> list[Task]:
        """The tasks of these names, all when None. Raises `RequestError` for an unknown one."""
        for name in names or ():
            if name not in self.tasks:
                raise unknown("task", name, self.tasks)
        return [task for task in self.tasks.values() if names is None or task.name in names]

    @torch.no_grad()
    def outputs(self, images: Tensor, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, H, W] of tasks on images [B, 3, H, W] in [0, 1] that are on
        the network's device; what evaluation during the run has computed."""
        self.network.eval()
        return self.method.predict(self.network, images, tasks)

    @torch.no_grad()
    def predict(self, images: Tensor | NDArray[Any],
                tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """What every task says of images, in the task's own unit, on the CPU.

        `images` are [B, 3, H, W] or [3, H, W], RGB, uint8 or floating point in [0, 1], of any size.
        Classes are [B, H, W] (uint8), probabilities of binary tasks [B, H, W], other maps
        [B, channels, H, W]; B is 1 for a single image. Raises `RequestError` for images of another
        form and for a task that was not learnt.
        """
        chosen = self.chosen(tasks)
        raws = self.outputs(_as_images(images).to(self.device), chosen)
        return {task.name: kind.prediction(raws[task.name]).cpu() for task, kind in kinds(chosen)}


def open_trained(run: str | Path, runs: Path, device: str = "cpu",
                 method: str | None = None) -> TrainedNetwork:
    """The network of a finished run (see `find_run`), on a device (auto, cpu or cuda).

    `method` names the file of a method of the user's own; it is needed where such a method predicts
    in its own way, and must be as it was in training. Nothing is unpickled. Raises `RequestError`
    where the run cannot be found or used, `RunError` for a weights file that is damaged.
    """
    where = make_fabric(device, "fp32").device
    folder = find_run(run, runs)
    record = load_finished(folder)
    weights = load_weights(folder, record)
    _require_kinds(record, weights)
    network = _network(folder, record, weights).to(where)
    return TrainedNetwork(folder, record, network.eval(),
                          _method(record, weights, method, network))


def _network(folder: Path, record: Record, weights: Weights) -> Network:
    try:
        recipe = Recipe.model_validate(record.config["recipe"])
    except (KeyError, ValidationError) as error:
        raise RequestError(f"{folder}: the record's recipe cannot be read: {error}") from None
    own = {"backbone": weights.backbone, "weights": "none"}  # those of ImageNet are not needed
    network = Network(recipe.model_copy(update=own), record.seed)
    for task in weights.tasks:
        network.add_head(task)
    try:
        network.load_state_dict(weights.network)
    except RuntimeError as error:
        first = " ".join(str(error).split("\n", 2)[1].split())
        raise RequestError(f"{folder}: the weights do not fit a network as this version builds it "
                           f"({first}); use the version that trained them, lhlbench "
                           f"{record.environment.get('lhlbench')}") from None
    return network


def _require_kinds(record: Record, weights: Weights) -> None:
    """Task kinds that came from files must be as they were."""
    trained = record.config.get("task_kinds", {})
    if (found := file_digests(task.kind for task in weights.tasks)) != trained:
        changed = sorted(name for name in {*found, *trained}
                         if found.get(name) != trained.get(name))
        raise RequestError(f"the task kind {changed[0]} is not as it was when {record.run_id} was "
                           "trained; name its file of then with --task-kinds FILE")


def _method(record: Record, weights: Weights, source: str | None, network: Network) -> Method:
    """The method with its state; the base of all methods where the network predicts alone."""
    if weights.method is None:
        return Method(MethodConfig())
    trained = record.config.get("plug_in")
    if trained is not None and source is None:
        raise RequestError(f"{record.method.name} is a method of somebody's own and predicts in "
                           "its own way: name its file with --method FILE.py")
    if plug_in_digest(source or record.method.name) != trained:
        raise RequestError(f"{source or record.method.name} is not the code that trained "
                           f"{record.run_id}; name " + ("the file as it was then" if trained else
                                                        "no file: it was a method by its name"))
    found = find_method(source or record.method.name)
    method = found(found.Config.model_validate(record.method.config))
    method.load_state_dict(_moved(weights.method, network.mean.device))
    return method


def _moved(state: Any, device: torch.device) -> Any:
    if isinstance(state, dict):
        return {key: _moved(value, device) for key, value in state.items()}
    if isinstance(state, list):
        return [_moved(value, device) for value in state]
    return state.to(device) if isinstance(state, Tensor) else state


def _as_images(images: Tensor | NDArray[Any]) -> Tensor:
    found = torch.from_numpy(np.ascontiguousarray(images)) if isinstance(
        images, np.ndarray) else images
    found = found[None] if found.dim() == 3 else found
    if found.dim() != 4 or found.shape[1] != 3 or 0 in found.shape:
        raise RequestError(f"images are [B, 3, H, W] or [3, H, W], not {list(images.shape)}")
    if found.dtype == torch.uint8:
        return pixels(found)
    if not found.is_floating_point() or not bool(((found >= 0) & (found <= 1)).all()):
        raise RequestError(f"images are uint8, or floating point from 0 to 1, not {found.dtype}"
                           f"{' beyond that' if found.is_floating_point() else ''}")
    return found.float()
