"""The released code's side: its own `main`, unmodified; device, data and weights come from outside.

The code is imported from the user's checkout and run as its `main.py` runs it. What is replaced
while it runs, by attributes of its modules: the folder of the data, the download of ImageNet's
weights, `cuda()` on a CPU, and, to take steps on request, the list of batches it iterates over.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bench.released.job import Job
from benchmark.errors import RequestError
from benchmark.speed.stopwatch import Stopwatch, patched, synchronise

FILES = ("main.py", "trainer.py", "continual_model.py", "methods/had.py", "model/resnet.py",
         "datasetting/continual_dataset.py")
"""By which a checkout is recognised."""
_PACKAGES = {"cv2": "opencv-python-headless", "skimage": "scikit-image", "PIL": "pillow"}
_METRICS = {"depth_error": ("depth abs", "depth rel"),
            "normal_error": ("normal mean", "normal median", "normal within_11_25",
                             "normal within_22_5", "normal within_30")}
_FOREVER = 1_000_000
"""Epochs of a phase that ends when the next one is asked for."""


class PhaseEnds(Exception):
    """Leaves the loop over the batches of a phase, whose steps have all been taken."""


class TaskName(str):
    """The name of a task, such as depth_2, which the released code takes for its `depth`; unequal
    to other tasks of the same kind."""

    @property
    def kind(self) -> str:
        """The released code's own name of such tasks."""
        return str(self).partition("_")[0]

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) if isinstance(other, TaskName) else self.kind == other

    def __hash__(self) -> int:
        return hash(self.kind)


def serve(connection: Connection, job: Job) -> None:
    """Answer requests (see `bench.released.sides`) until the connection closes."""
    authors = Authors(job, connection)
    connection.send(None)
    while True:
        try:
            request, argument = connection.recv()
            if request == "run":
                connection.send(authors.whole_run(recorded=argument))
            else:
                authors.take_steps()
        except EOFError:
            return


class Authors:
    """The modules of the released code, and runs of it."""

    def __init__(self, job: Job, connection: Connection) -> None:
        """Raises `RequestError` when a package that the code needs is missing."""
        self.job, self.connection = job, connection
        self.device = torch.device(job.device)
        if job.device == "cpu":
            nn.Module.cuda = Tensor.cuda = _stay
        sys.path.insert(0, str(job.released))
        sys.argv = ["main.py"]  # read twice by the code, which knows no option the second time
        try:
            self.main, self.had, self.model, self.resnet, self.data = (
                importlib.import_module(name) for name in (
                    "main", "methods.had", "continual_model", "model.resnet",
                    "datasetting.continual_dataset"))
        except ModuleNotFoundError as error:
            package = _PACKAGES.get(str(error.name), error.name)
            raise RequestError(f"the released code imports {error.name}, which is not installed: "
                               f"pip install {package}") from None
        self._replace_data()
        self._replace_weights()

    def _replace_data(self) -> None:
        """Their data from the job's folder; as many tasks as the job has."""
        dataset, manager = self.data.NYUv2, self.data.DataManager
        prepare = manager.get_data

        def get_data(this: Any, shuffle: bool = False) -> None:
            prepare(this, shuffle)
            names = map(TaskName, self.job.task_names)
            this.tasks_name = dict(enumerate(names, 1))
            this.sequence = list(this.tasks_name)
            this.task_num = len(this.sequence)
            this.train_data_per_task = this.train_set.train_data_len // this.task_num

        self.data.NYUv2 = lambda root, **options: dataset(
            root=str(self.job.folder / "nyuv2"), **options)
        manager.get_data = get_data

    def _replace_weights(self) -> None:
        """Initial weights of the backbone and of each new head from the job's folder."""
        weights = load_file(self.job.folder / "weights.safetensors")
        network = self.model.DeepLabv3
        add_head = network.update_decoder

        def update_decoder(this: Any, name: TaskName) -> None:
            add_head(this, name)
            this.decoders[name].load_state_dict(_below(weights, f"heads.{name}."))

        network.update_decoder = update_decoder
        backbone = _below(weights, "backbone.body.")
        channels = weights["heads.semantic.0.convs.0.0.weight"].shape[1]
        classifier = {"fc.weight": torch.zeros(1000, channels), "fc.bias": torch.zeros(1000)}
        self.resnet.load_state_dict_from_url = lambda *_, **__: backbone | classifier

    def _main(self, epochs: int) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.main.main(epoch=epochs, batch_size=self.job.batch, model=self.job.backbone)

    def take_steps(self) -> None:
        """Run phase after phase, steps when they are asked for; nothing is evaluated."""
        train = self.had.HAD._new_train

        def new_train(this: Any, batches: Any, *rest: Any) -> None:
            with contextlib.suppress(PhaseEnds):
                train(this, Turns(batches, self.connection, self.device, self._step_path), *rest)

        with patched([(self.had.HAD, "_new_train", new_train),
                      (self.had.HAD, "eval_task", lambda this: None)]):
            self._main(_FOREVER)

    @property
    def _step_path(self) -> list[tuple[Any, str, str]]:
        """Functions of a step and the part each is counted for; in training only the teacher is
        called by `forward`, and the schedule has taken `step` of the optimiser for itself."""
        network = self.model.DeepLabv3
        return [(network, "get_features", "forward"), (network, "get_decoder", "forward"),
                (network, "forward", "teacher"), (self.had, "model_fit", "losses"),
                (self.had, "weight_fit", "losses"), (Tensor, "backward", "backward"),
                (sys.modules["torch.optim.adam"], "adam", "optimiser"),
                (torch.optim.Adam, "zero_grad", "optimiser")]

    def whole_run(self, recorded: bool) -> dict[str, Any]:
        """Their `main` from reading the data to the last evaluation; its seconds. Where
        `recorded`, without dropout, and the losses and final metrics with it."""
        losses: list[list[dict[str, float]]] = []
        metrics: dict[str, list[float]] = {}
        with patched(self._recording(losses, metrics) if recorded else []):
            begin = time.perf_counter()
            self._main(self.job.epochs)
            synchronise(self.device)
            seconds = time.perf_counter() - begin
        return {"seconds": seconds, "losses": losses,
                "metrics": {name: statistics.fmean(values) for name, values in metrics.items()}}

    def _recording(self, losses: list[list[dict[str, float]]],
                   metrics: dict[str, list[float]]) -> list[tuple[Any, str, Any]]:
        """Replacements that keep every term of every step, and what the last evaluation finds."""
        had, model = self.had, self.model
        train, evaluate = had.HAD._new_train, had.HAD.eval_task

        def new_train(this: Any, *rest: Any) -> None:
            losses.append([])
            for module in this._network.modules():
                if isinstance(module, nn.Dropout):
                    module.p = 0.0
            train(this, *rest)

        def eval_task(this: Any) -> None:
            metrics.clear()
            evaluate(this)

        def new_loss(*given: Any) -> Tensor:
            value: Tensor = new_fit(*given)
            losses[-1].append({f"{given[2]}/new": value.item()})
            return value

        def old_loss(*given: Any) -> Tensor:
            value: Tensor = old_fit(*given)
            losses[-1][-1][f"{given[2]}/old"] = given[3].new * value.item()
            return value

        def noted(names: Iterable[str], function: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*given: Any) -> Any:
                values = function(*given)
                for name, value in zip(names, values, strict=True):
                    percent = "within" in name or name.startswith("semantic")
                    metrics.setdefault(name, []).append(100 * value if percent else value)
                return values
            return wrapper

        new_fit, old_fit = had.model_fit, had.weight_fit
        matrix = model.ConfMatrix
        return [(had, "model_fit", new_loss), (had, "weight_fit", old_loss),
                (had.HAD, "_new_train", new_train), (had.HAD, "eval_task", eval_task),
                (matrix, "get_metrics", noted(("semantic miou", "semantic pixel_accuracy"),
                                              matrix.get_metrics)),
                *((model, name, noted(names, getattr(model, name)))
                  for name, names in _METRICS.items())]


class Turns:
    """The batches of a phase, each one fetched when a step is asked for."""

    def __init__(self, batches: Any, connection: Connection, device: torch.device,
                 step_path: list[tuple[Any, str, str]]) -> None:
        self._batches, self._connection, self._device = batches, connection, device
        self._step_path, self._begun = step_path, False

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        fetched = iter(self._batches)
        for _ in range(len(self)):
            if not self._begun:
                self._begun = True
                yield next(fetched)
                self._connection.send(None)  # the phase has begun
                continue
            request, _ = self._connection.recv()
            if request == "phase":
                raise PhaseEnds
            watch = Stopwatch(self._device)
            with watch.on(self._step_path if request == "parts" else ()), watch.part("rest"):
                with watch.part("data"):
                    batch = next(fetched)
                yield batch
            self._connection.send(watch.seconds if request == "parts"
                                  else sum(watch.seconds.values()))


def _stay(this: Any, *_: Any, **__: Any) -> Any:
    """In place of `cuda()`, on a machine without."""
    return this


def _below(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items()
            if name.startswith(prefix)}
