"""What the hooks of a method must return and leave alone, checked where a phase first calls them.

A violation is a `RunError` that names the hook, its file and line, what it did and what the
interface asks for. Every check costs a phase less than one of its steps.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import RunError
from benchmark.method import Method, Step
from benchmark.model.network import Network
from benchmark.tasks import Task

_HOOKS = ("before_backbone_change", "begin_phase", "parameters", "loss", "edit_update", "end_phase",
          "predict", "parameters_added", "exemplars", "state_dict", "load_state_dict")
_KEY = re.compile(r"([a-z][a-z0-9_]*)/[A-Za-z0-9_.-]+")
_TERMS = "a dict of scalar tensors, keyed <task>/<term> or backbone/<term>"
_STATE = "nested dicts, with strings as keys, of tensors and plain JSON values"


def violation(method: Method, hook: str, found: str, asked: str) -> RunError:
    """The error of a hook that did something else than the interface asks for."""
    function = inspect.unwrap(getattr(type(method), hook))
    code = getattr(function, "__code__", None)
    place = f"{Path(code.co_filename).name}, line {code.co_firstlineno}" if code else "its class"
    return RunError(f"{hook} of method '{method.name}' ({place}) {found}; the interface asks for "
                    f"{asked}")


def check_hooks(method: Method) -> None:
    """Every hook can be called as the harness calls it. Raises `RunError`."""
    for name in _HOOKS:
        asked = inspect.signature(getattr(Method, name))
        hook = getattr(type(method), name)
        if not callable(hook):
            raise violation(method, name, f"is a {type(hook).__name__}", f"a method {name}{asked}")
        if inspect.iscoroutinefunction(hook) or (inspect.isgeneratorfunction(hook)
                                                 and name != "parameters"):
            raise violation(method, name, "is a generator or coroutine, whose body is never run",
                            f"a method {name}{asked}")
        arguments = list(asked.parameters)[1:]
        try:
            inspect.signature(getattr(method, name)).bind(*arguments)
        except TypeError as error:
            raise violation(method, name, f"cannot be called: {error}",
                            f"{name}({', '.join(['self', *arguments])})") from None


def own_parameters(method: Method, network: Network) -> list[nn.Parameter]:
    """What the hook `parameters` returns. Raises `RunError` for anything but further parameters."""
    found = method.parameters()
    asked = "an iterable of nn.Parameter that are not the network's"
    if not isinstance(found, Sequence) and not hasattr(found, "__iter__"):
        raise violation(method, "parameters", f"returned a {type(found).__name__}", asked)
    own, theirs = list(found), set(map(id, network.parameters()))
    for each in own:
        if not isinstance(each, nn.Parameter):
            raise violation(method, "parameters", f"returned a {type(each).__name__}", asked)
        if id(each) in theirs:
            raise violation(method, "parameters", "returned a parameter of the network, which is "
                            "trained already", asked)
    return own


class FirstStep:
    """The first step of a phase, and what it must leave as it was."""

    def __init__(self, method: Method, step: Step) -> None:
        self._method, self._step = method, step
        self._before = {name: _bits(tensor) for name, tensor in self._batch()}
        self._parameters = [(name, value, value.requires_grad, value.dtype, value.shape)
                            for name, value in step.network.named_parameters()]

    def check_loss(self, terms: Any) -> None:
        """What `loss` returned, and left of batch and network. Raises `RunError`."""
        if not isinstance(terms, dict):
            raise self._violated("loss", f"returned a {type(terms).__name__}", _TERMS)
        if not terms:
            raise self._violated("loss", "returned no term", _TERMS)
        known = {*self._step.network.tasks, "backbone"}
        for key, term in terms.items():
            match = _KEY.fullmatch(key) if isinstance(key, str) else None
            if match is None or match[1] not in known:
                raise self._violated("loss", f"returned a term keyed {key!r}",
                                     f"{_TERMS}; tasks are {', '.join(self._step.network.tasks)}")
            if not isinstance(term, Tensor):
                raise self._violated("loss", f"returned a {type(term).__name__} as {key}", _TERMS)
            if term.shape or not term.is_floating_point():
                raise self._violated("loss", f"returned {_described(term)} as {key}", _TERMS)
        if not any(term.requires_grad for term in terms.values()):
            raise self._violated("loss", "returned terms without gradient (detached, or computed "
                                 "under no_grad)", "terms that depend on the network")
        self._check_unchanged("loss")

    def check_gradients(self) -> None:
        """The head of every new task learns, as far as it may. Raises `RunError`."""
        for task in self._step.phase.tasks:
            values = [value for value in self._step.network.heads[task.name].parameters()
                      if value.requires_grad]
            if values and all(value.grad is None for value in values):
                raise self._violated("loss", f"returned terms that do not depend on the head of "
                                     f"{task.name}", "terms that train the new tasks")

    def check_update(self) -> None:
        """The network after `edit_update`. Raises `RunError`."""
        self._check_unchanged("edit_update")

    def _check_unchanged(self, hook: str) -> None:
        for name, tensor in self._batch():
            if not torch.equal(self._before[name], _bits(tensor)):
                raise self._violated(hook, f"changed the batch's {name} in place",
                                     "a batch left as it is; work on a copy")
        now = dict(self._step.network.named_parameters())
        for name, value, requires_grad, dtype, shape in self._parameters:
            asked = "the network's own parameters, changed in place at most"
            if now.get(name) is not value:
                raise self._violated(hook, f"replaced or removed the parameter {name}, which the "
                                     "optimiser trains", asked)
            if value.requires_grad != requires_grad:
                raise self._violated(hook, f"switched requires_grad of {name}",
                                     "such changes in begin_phase, before the optimiser is made")
            if (value.dtype, value.shape) != (dtype, shape):
                raise self._violated(hook, f"made {name} {_described(value)}", asked)

    def _batch(self) -> list[tuple[str, Tensor]]:
        batch = self._step.batch
        return [("images", batch.images), *((f"targets of {name}", target) for name, target
                                            in batch.targets.items())]

    def _violated(self, hook: str, found: str, asked: str) -> RunError:
        return violation(self._method, hook, f"{found} in phase {self._step.phase.number}", asked)


def check_begun(method: Method, network: Network, dtypes: Mapping[str, torch.dtype]) -> None:
    """`begin_phase` left the network's types and something to train. Raises `RunError`."""
    for name, value in network.named_parameters():
        if value.dtype != dtypes.get(name, value.dtype):
            raise violation(method, "begin_phase", f"made {name} {value.dtype}",
                            f"{dtypes[name]} as before; recipe.precision sets how it is computed")
    if not any(value.requires_grad for value in (*network.parameters(),
                                                 *own_parameters(method, network))):
        raise violation(method, "begin_phase", "left no parameter to train", "one at least, such "
                        "as those of the new task's head")


def check_state(method: Method) -> None:
    """`state_dict` can be saved. Raises `RunError`."""
    state = method.state_dict()
    fault = (_unsavable(state, "the state") if isinstance(state, dict)
             else f"a {type(state).__name__}")
    if fault:
        raise violation(method, "state_dict", f"returned {fault}", _STATE)


def check_counts(method: Method, network: Network, replaced: bool) -> None:
    """`parameters_added` and `exemplars` count. Raises `RunError`.

    Where backbones are `replaced`, a smaller one of before may take fewer parameters for its tasks
    than their heads on the present one.
    """
    added, kept = method.parameters_added(network), method.exemplars()
    whole = isinstance(added, int) and not isinstance(added, bool)
    if not whole or (added < 0 and not replaced):
        raise violation(method, "parameters_added", f"returned {added!r}", "a number of parameters")
    if not (isinstance(kept, tuple) and len(kept) == 2 and all(map(_is_count, kept))):
        raise violation(method, "exemplars", f"returned {kept!r}", "a pair of numbers, of images "
                        "and bytes")


def check_outputs(method: Method, outputs: Any, images: Tensor, tasks: Sequence[Task]) -> None:
    """What `predict` returned for `images` [B, 3, H, W] and `tasks`. Raises `RunError`."""
    asked = "a dict with a tensor [B, channels, H, W] of floats for every task asked for"
    if not isinstance(outputs, dict):
        raise violation(method, "predict", f"returned a {type(outputs).__name__}", asked)
    for task in tasks:
        raw = outputs.get(task.name)
        if not isinstance(raw, Tensor):
            found = "nothing" if raw is None else f"a {type(raw).__name__}"
            raise violation(method, "predict", f"returned {found} for {task.name}", asked)
        shape = (len(images), task.channels, *images.shape[-2:])
        if raw.shape != shape or not raw.is_floating_point():
            raise violation(method, "predict", f"returned {_described(raw)} for {task.name}",
                            f"floats {list(shape)}")


def _unsavable(value: Any, where: str) -> str:
    """What cannot be saved in a nested state; empty where there is nothing."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"the key {key!r} in {where}"
            if fault := _unsavable(item, f"{where}[{key!r}]"):
                return fault
        return ""
    if isinstance(value, list | tuple):
        return next((fault for item in value if (fault := _unsavable(item, where))), "")
    plain = value is None or isinstance(value, Tensor | bool | int | float | str)
    return "" if plain else f"a {type(value).__name__} in {where}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _bits(tensor: Tensor) -> Tensor:
    """A copy as bytes, in which NaN equals itself."""
    return tensor.detach().clone().contiguous().view(-1).view(torch.uint8)


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
