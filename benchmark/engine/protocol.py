"""The protocol: phases in order, every learnt task evaluated after each, resumable throughout."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Literal

import yaml

from benchmark.data.loading.blocks import Block, blocks
from benchmark.data.loading.phase_data import PhaseData
from benchmark.data.store.files import Store
from benchmark.engine import checkpoint, log, previews
from benchmark.engine.callbacks import Callback
from benchmark.engine.contract import check_begun, check_counts, check_hooks
from benchmark.engine.environment import environment, make_fabric, peak_memory_bytes
from benchmark.engine.evaluate import Evaluator
from benchmark.engine.model_card import write_card
from benchmark.engine.options import Options, Stopped
from benchmark.engine.plan import Plan
from benchmark.engine.results import (
    make_record,
    statistics_from_state,
    statistics_state,
    values_after,
)
from benchmark.engine.state_files import StateFiles
from benchmark.engine.stopping import PATIENCE
from benchmark.engine.trainer import PhaseTrainer, images_per_second, train_phase
from benchmark.engine.weights import save_weights
from benchmark.errors import RequestError
from benchmark.files import write_text
from benchmark.memory import keep_freed_memory
from benchmark.method import Phase
from benchmark.model.network import Network
from benchmark.record import (
    CONFIG_FILE,
    LOG_FILE,
    Cost,
    PhaseInfo,
    Record,
    Statistics,
    save_statistics,
)
from benchmark.seeds import derive
from benchmark.tasks.metric_values import check, not_finite, why_undefined


class LifelongRun:
    """Trains and evaluates the phases of a plan, with all its files in `folder`."""

    def __init__(self, plan: Plan, options: Options, callback: Callback, store: Store,
                 folder: Path) -> None:
        """Raises `RequestError` when the data set cannot carry the plan."""
        self.plan, self.options, self.callback = plan, options, callback
        self.store, self.folder = store, folder
        self.config, self.recipe = plan.config, plan.config.recipe
        self.tasks = {name: store.task(name) for name in self.config.tasks}
        self.method = plan.make_method()
        check_hooks(self.method)
        self.blocks = blocks(self.config.tasks, store.count("train"), self.config.split,
                             self.method.regime)
        if not len(self.blocks[0].images):
            raise RequestError(f"{store.count('train')} training images cannot be cut into "
                               f"{len(self.tasks)} blocks; use fewer tasks or --set split=shared")
        keep_freed_memory()
        self.fabric = make_fabric(options.device, self.recipe.precision)
        self.network = self._network(1)
        self.evaluator = Evaluator(store, self.fabric.device, options.preload)
        self.previews = previews.first_images(store, list(self.tasks.values()), self.blocks)
        self.phase = 1
        """The phase that is being trained and evaluated."""
        self.done: list[PhaseInfo] = []
        self.statistics: dict[tuple[int, str], Statistics] = {}
        self.carried_bytes = 0
        self.exemplars = (0, 0)
        self.files = StateFiles(folder, self.fabric.device, options, callback)

    def all_phases(self) -> Record:
        """Train and evaluate every phase that is not done yet; write and return the record."""
        config = yaml.safe_dump(self.config.canonical(), sort_keys=False)
        write_text(self.folder / CONFIG_FILE, config)
        self._restore_boundary()
        first = len(self.done) + 1
        for number in range(first, len(self.blocks) + 1):
            self._phase(number, resumed=number == first)
        self.previews.draw(self.folder / "previews")
        record = self.make_record("complete")
        save_weights(self.folder, record, self.network, self.method)
        write_card(self.folder, record, self.network, self.plan.method)
        record.save(self.folder)
        self.files.finish()
        return record

    # -- one phase ---------------------------------------------------------------------------

    def _phase(self, number: int, resumed: bool) -> None:
        self.phase = number
        trainer = self.begin_phase(number)
        self._restore_inside(trainer)
        if resumed and (self.done or trainer.epochs_done):
            self.callback.resumes(number, trainer.epochs_done)
        trainer.on_step = partial(self._step, trainer)
        with self.options.stop.deferred():
            self.callback.phase_begins(number, len(self.blocks), trainer)
            while not trainer.finished:
                report = trainer.train_epoch()
                log.append(self.folder / LOG_FILE, report)
                self.callback.epoch_ends(report)
                self.files.save_inside(number, trainer.epochs_done, trainer.state_dict)
        self._end_phase(trainer)

    def _step(self, trainer: PhaseTrainer, epoch: int, images: int, seconds: float) -> None:
        """Show a step; asked to stop, leave off unless the epoch is about to end and be saved."""
        self.callback.step(epoch, images, seconds)
        if self.options.stop.made:
            left = seconds * (trainer.phase.data.images_per_epoch / images - 1)
            if left > PATIENCE:
                raise Stopped(f"left off in epoch {epoch} of phase {self.phase}")

    def _network(self, number: int) -> Network:
        """A network as phase `number` has it, without heads."""
        recipe = self.recipe.model_copy(update={"backbone": self.config.backbone(number)})
        return Network(recipe, self.config.seed).to(self.fabric.device)

    def begin_phase(self, number: int) -> PhaseTrainer:
        """Prepare network, data and method for a phase, counted from 1; nothing is trained yet."""
        block = self.blocks[number - 1]
        old = tuple(self.network.tasks.values())
        changed = self.network.recipe.backbone != self.config.backbone(number)
        if changed:
            self.method.before_backbone_change(self.network)
            self.network = self._network(number)
            for task in old:
                self.network.add_head(task)
        self._add_heads(block)
        if number > 1 and not changed and self.recipe.batch_norm != "train":
            self.network.freeze_statistics(affine=self.recipe.batch_norm == "freeze")
        data = PhaseData(self.store, block, self.tasks, self.recipe,
                         derive(self.config.seed, "phase", number), self.fabric.device,
                         self.options.preload)
        new = tuple(self.tasks[name] for name in block.tasks)
        phase = Phase(number, new, old, self.network, data, partial(train_phase, self.fabric),
                      changed)
        self.network.passes.forward = self.network.passes.backward = 0
        dtypes = {name: value.dtype for name, value in self.network.named_parameters()}
        begin = time.perf_counter()
        self.method.begin_phase(phase)
        check_begun(self.method, self.network, dtypes)
        return PhaseTrainer(phase, self.method, self.recipe, self.config.seed, self.fabric,
                            seconds=time.perf_counter() - begin)

    def _add_heads(self, block: Block) -> None:
        for name in block.tasks:
            self.network.add_head(self.tasks[name])

    def close_phase(self, trainer: PhaseTrainer) -> None:
        """Have the method keep what it needs of a phase, whose images nobody gets from now on."""
        self.network.eval()
        begin = time.perf_counter()
        self.method.end_phase(trainer.phase)
        trainer.seconds += time.perf_counter() - begin
        trainer.phase.data.close()

    def _end_phase(self, trainer: PhaseTrainer) -> None:
        self.close_phase(trainer)
        passes = self.network.passes
        forwards, backwards = passes.forward, passes.backward
        begin = time.perf_counter()
        column = self._column(trainer.phase.number)
        known = list(self.network.tasks.values())
        found = self.evaluator.statistics(self.method, self.network, known)
        for task in known:
            check(task, found[task.name])
            self.statistics[column, task.name] = found[task.name]
            if pixels := not_finite(found[task.name]):
                self.callback.warns(f"{task.name} after phase {trainer.phase.number}: predictions "
                                    f"are not finite at {pixels} pixels, its metrics are undefined")
        self.done.append(PhaseInfo(
            task=trainer.phase.label, epochs=trainer.epochs_done,
            steps=trainer.steps, images=trainer.images, train_seconds=trainer.seconds,
            eval_seconds=time.perf_counter() - begin,
            images_per_second=images_per_second(trainer.images, trainer.seconds),
            peak_memory_bytes=peak_memory_bytes(self.fabric.device),
            encoder_forwards=forwards, encoder_backwards=backwards))
        self.previews.take(column, self.method, self.network, self.fabric.device)
        check_counts(self.method, self.network, len(set(self.config.backbones)) > 1)
        if len(self.done) < len(self.blocks):
            carried = checkpoint.tensor_bytes(self.method.state_dict())
            self.carried_bytes = max(self.carried_bytes, carried)
            self.exemplars = max(self.exemplars, self.method.exemplars())
        self._save_boundary()
        self.callback.evaluated(trainer.phase.number, values_after(
            column, list(self.tasks.values()), self.statistics))

    def _column(self, number: int) -> int:
        """The phase a result counts for: bounds that learn all tasks at once end at the last."""
        return number if len(self.blocks) == len(self.tasks) else len(self.tasks)

    # -- saving and resuming -----------------------------------------------------------------

    def _save_boundary(self) -> None:
        save_statistics(self.folder, self.statistics)
        self.previews.save(self.folder)
        self.files.save_boundary(len(self.done), {
            "phases": [info.model_dump() for info in self.done],
            "carried_bytes": self.carried_bytes, "exemplars": list(self.exemplars),
            "network": self.network.state_dict(), "method": self.method.state_dict(),
            "statistics": statistics_state(self.statistics),
            "previews": self.previews.checksum()})

    def _restore_boundary(self) -> None:
        state = self.files.load_boundary()
        if state is not None:
            self.done = [PhaseInfo.model_validate(info) for info in state["phases"]]
            self.network = self._network(len(self.done))
            for block in self.blocks[:len(self.done)]:
                self._add_heads(block)
            self.network.load_state_dict(state["network"])
            self.method.load_state_dict(state["method"])
            self.carried_bytes = state["carried_bytes"]
            self.exemplars = (state["exemplars"][0], state["exemplars"][1])
            self.statistics = statistics_from_state(state["statistics"])
            save_statistics(self.folder, self.statistics)
            self._restore_previews(state["previews"])

    def _restore_previews(self, expected: str) -> None:
        """Previews of the phases that are done; without them where the file is not what the state
        was saved with, since no number depends on them."""
        try:
            self.previews.restore(self.folder, self._column(len(self.done)))
            fault = "" if self.previews.checksum() == expected else (
                f"{self.folder / previews.PREVIEWS_FILE} does not belong to this run")
        except RequestError as error:
            fault = str(error).partition("; lhlbench")[0]
        if fault:
            self.previews.raw.clear()
            self.callback.warns(f"{fault}; going on without the previews of earlier phases")

    def _restore_inside(self, trainer: PhaseTrainer) -> None:
        state = self.files.load_inside(trainer.phase.number)
        if state is not None:
            trainer.load_state_dict(state)
        log.trim(self.folder / LOG_FILE, trainer.phase.number, trainer.epochs_done)

    # -- the record --------------------------------------------------------------------------

    def make_record(self, status: Literal["complete", "failed"], reason: str = "") -> Record:
        """The record of the phases that are done."""
        return make_record(
            self.plan, self.store, self.folder,
            environment(self.fabric, self.recipe.precision, self.options.command), status,
            reason or why_undefined(self.statistics), self.statistics, self.done, self._cost())

    def _cost(self) -> Cost:
        learnt = sum(value.numel() for value in self.network.parameters())
        added = self.method.parameters_added(self.network)
        exemplars, exemplar_bytes = self.exemplars
        return Cost(parameters=learnt + added, parameters_added=added,
                    carried_bytes=self.carried_bytes, exemplars=exemplars,
                    exemplar_bytes=exemplar_bytes)
