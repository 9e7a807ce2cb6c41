"""Methods whose hooks do something else than the interface asks for: told at the first step."""

from __future__ import annotations

import textwrap

import pytest

from benchmark.errors import RunError
from benchmark.record import load_record

ODD = """
import torch
from benchmark.method import Method

class Odd(Method):
    name = "odd"
    summary = "breaks a contract"
    family = "test"

"""
BRIEF = ("dataset.train=12", "dataset.eval=2", "recipe.epochs=1")

WRONG = {
    "loss returns nothing": ("""
        def loss(self, step):
            step.new_losses()
    """, r"loss of method 'odd' \(odd\.py, line 10\) returned a NoneType in phase 1; .* asks for "
         r"a dict of scalar tensors"),
    "loss returns a tensor": ("""
        def loss(self, step):
            return sum(step.new_losses().values())
    """, "returned a Tensor"),
    "loss has no term": ("""
        def loss(self, step):
            return {}
    """, "returned no term"),
    "a term without a name of its own": ("""
        def loss(self, step):
            return {"semantic": sum(step.new_losses().values())}
    """, "keyed 'semantic'"),
    "a term of an unknown task": ("""
        def loss(self, step):
            return {"sematic/new": sum(step.new_losses().values())}
    """, "keyed 'sematic/new'.*tasks are semantic"),
    "a key that is no string": ("""
        def loss(self, step):
            return {1: sum(step.new_losses().values())}
    """, "keyed 1"),
    "a term that is a number": ("""
        def loss(self, step):
            return {**step.new_losses(), "backbone/x": 0.0}
    """, "returned a float as backbone/x"),
    "a term per image": ("""
        def loss(self, step):
            return {"semantic/x": step.output(step.phase.tasks[0]).mean((1, 2, 3))}
    """, r"returned float32 \[4\] as semantic/x"),
    "a detached loss": ("""
        def loss(self, step):
            return {name: term.detach() for name, term in step.new_losses().items()}
    """, "returned terms without gradient"),
    "the new task's loss is lost": ("""
        def loss(self, step):
            norm = step.features.square().mean()
            with torch.no_grad():
                new = step.new_losses()
            return {**new, "backbone/norm": norm}
    """, "returned terms that do not depend on the head of semantic"),
    "images changed in place": ("""
        def loss(self, step):
            step.images.clamp_(0.4, 0.6)
            return step.new_losses()
    """, "changed the batch's images in place"),
    "targets changed in place": ("""
        def loss(self, step):
            step.batch.targets["semantic"].fill_(0)
            return step.new_losses()
    """, "changed the batch's targets of semantic in place"),
    "a head replaced": ("""
        def loss(self, step):
            import copy
            step.network.heads["semantic"] = copy.deepcopy(step.network.heads["semantic"])
            return step.new_losses()
    """, "replaced or removed the parameter heads.semantic"),
    "a parameter frozen in a step": ("""
        def loss(self, step):
            next(step.network.parameters()).requires_grad_(False)
            return step.new_losses()
    """, "switched requires_grad of .*begin_phase"),
    "the network in half precision": ("""
        def begin_phase(self, phase):
            phase.network.half()
    """, "begin_phase of method 'odd' .* made .* torch.float16.*torch.float32 as before"),
    "everything frozen": ("""
        def begin_phase(self, phase):
            phase.network.requires_grad_(False)
    """, "begin_phase .* left no parameter to train"),
    "an update that replaces": ("""
        def edit_update(self, step, before):
            step.network.heads["semantic"] = step.network.heads["semantic"].double()
    """, "edit_update .* made heads.semantic.* float64"),
    "parameters that are tensors": ("""
        def parameters(self):
            return [torch.zeros(3, requires_grad=True)]
    """, "parameters .* returned a Tensor"),
    "the network's parameters again": ("""
        def begin_phase(self, phase):
            self.network = phase.network

        def parameters(self):
            return self.network.parameters()
    """, "a parameter of the network"),
    "parameters that are none": ("""
        def parameters(self):
            return None
    """, "parameters .* returned a NoneType"),
    "a state that is no dict": ("""
        def state_dict(self):
            return [1]
    """, "state_dict .* returned a list"),
    "a state with an object": ("""
        def state_dict(self):
            return {"seen": {"classes": {1, 2}}}
    """, r"returned a set in the state\['seen'\]\['classes'\]"),
    "a state keyed by numbers": ("""
        def state_dict(self):
            return {1: "x"}
    """, "the key 1 in the state"),
    "predictions that are a tensor": ("""
        def predict(self, network, images, tasks):
            return super().predict(network, images, tasks)["semantic"]
    """, "predict .* returned a Tensor"),
    "a task left out": ("""
        def predict(self, network, images, tasks):
            return {}
    """, "returned nothing for semantic"),
    "predictions at low resolution": ("""
        def predict(self, network, images, tasks):
            return {t.name: network.decode(t.name, network.encode(images)) for t in tasks}
    """, r"for semantic; .* floats \[2, \d+, 24, 32\]"),
    "labels for outputs": ("""
        def predict(self, network, images, tasks):
            raws = super().predict(network, images, tasks)
            return {name: raw.argmax(1) for name, raw in raws.items()}
    """, r"returned int64 \[2, 24, 32\] for semantic"),
    "exemplars as one number": ("""
        def exemplars(self):
            return 3
    """, "exemplars .* returned 3; .* a pair of numbers"),
    "less than no parameters": ("""
        def parameters_added(self, network):
            return -1
    """, "parameters_added .* returned -1"),
    "a loss without its step": ("""
        def loss(self):
            return {}
    """, r"loss .* cannot be called: .*; the interface asks for loss\(self, step\)"),
    "a hook that yields": ("""
        def end_phase(self, phase):
            yield
    """, "end_phase .* generator or coroutine, whose body is never run"),
    "a hook that is none": ("""
        exemplars = (0, 0)
    """, "exemplars .* is a tuple"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_hook_that_breaks_its_contract_fails_the_run_with_its_place(wrong, tiny, tmp_path):
    body, message = WRONG[wrong]
    path = tmp_path / "odd.py"
    path.write_text(ODD + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n")
    with pytest.raises(RunError, match=message) as told:
        tiny(str(path), settings=BRIEF)
    (folder,) = (tmp_path / "runs").iterdir()
    assert load_record(folder).reason == str(told.value)
    assert "interface asks for" in str(told.value)
