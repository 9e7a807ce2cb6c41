"""The model card: what a trained network is and how to use it, as Markdown beside its weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.engine.run_folder import CARD_FILE, WEIGHTS_FILE
from benchmark.files import write_text
from benchmark.method import Method
from benchmark.model.network import Network
from benchmark.record import RECORD_FILE, Record
from benchmark.tasks import Task

_RECIPE = ("optimizer", "lr", "weight_decay", "schedule", "batch", "precision", "weights", "crop",
           "scales", "flip")
"""What of a recipe a reader asks first."""


def write_card(folder: Path, record: Record, network: Network, method: type[Method]) -> None:
    """Write the model card of a complete run into its folder."""
    tasks = [network.tasks[task.name] for task in record.tasks]
    write_text(folder / CARD_FILE, "\n".join(_card(record, tasks, network.recipe.backbone, method)))


def _card(record: Record, tasks: Sequence[Task], backbone: str,
          method: type[Method]) -> Iterator[str]:
    names = ", ".join(task.name for task in tasks)
    yield from ("---", "library_name: lhlbench", "tags: [lifelong-learning, dense-prediction]",
                "---", "", f"# {record.method.name} on {record.sequence}, seed {record.seed}", "")
    yield (f"One backbone ({backbone}) with a head for each of {len(tasks)} tasks ({names}), "
           + ("trained on all of them at once" if len(record.phases) < len(tasks)
              else "which were learnt one after another, in this order")
           + f", by the method `{record.method.name}`: {_cell(method.summary)}.")
    yield from ("", *_table(("task", "kind", "channels", "unit or classes"), [
        (task.name, task.kind, str(task.channels), ", ".join(task.classes) or task.unit)
        for task in tasks]))
    yield from ("", "## Training", "", *_training(record))
    yield from ("", "## Scores after the last phase", "",
                f"On the {record.dataset.eval_images} evaluation images; docs/metrics.md of "
                "lhlbench defines each metric.", "", *_table(
                    ("task", "metric", "value", "better"), list(_scores(record))))
    yield from ("", "## Use", "", "```python", "import benchmark", "",
                f'network = benchmark.load_network("{record.run_id}")  # or the path of its folder',
                "maps = network.predict(images)  # [B, 3, H, W], uint8 or in [0, 1] -> task: map",
                "```", "", f"`lhlbench predict {record.run_id} IMAGE...` draws the maps of "
                f"photographs, `lhlbench evaluate {record.run_id}` measures the scores again. "
                f"`{WEIGHTS_FILE}` holds the weights by the names of the network's state dict, "
                f"`{RECORD_FILE}` everything that was measured.")
    yield from ("", "## Licence", "", "None is stated here. What is trained on a data set is "
                f"subject to the terms of that data set ({record.dataset.name}), and to those of "
                "the pretrained weights where training began with some.", "")


def _training(record: Record) -> Iterator[str]:
    config, data = record.config, record.dataset
    yield (f"- data: {data.name}, {data.train_images} training images "
           f"({'a block for each task' if config['split'] == 'disjoint' else 'all for each task'})"
           f", fingerprint {data.fingerprint}")
    yield "- phases: " + "; ".join(f"{phase.task} ({phase.epochs} epochs, {phase.steps} steps)"
                                   for phase in record.phases)
    settings = {key: config["recipe"][key] for key in _RECIPE if config["recipe"].get(key)}
    yield "- recipe: " + ", ".join(f"{key} {_plain(value)}" for key, value in settings.items())
    if record.method.config:
        yield "- method: " + ", ".join(f"{key} {_plain(value)}"
                                       for key, value in record.method.config.items())
    if command := record.environment.get("command"):
        yield f"- command: `{_cell(str(command))}`"
    yield f"- lhlbench {record.environment.get('lhlbench', '')}, protocol {record.protocol}"


def _scores(record: Record) -> Iterator[tuple[str, ...]]:
    for task in record.tasks:
        for metric in task.metrics:
            value = record.matrix[task.name][metric.name][-1]
            yield (task.name, metric.name,
                   "undefined" if value is None else f"{value:.5g} {metric.unit}".rstrip(),
                   "higher" if metric.higher_is_better else "lower")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cell(text: str) -> str:
    """Text of others as it may stand in a line of Markdown."""
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
