"""Every method keeps what a method must keep; and the checks find those that do not."""

from __future__ import annotations

import textwrap

import pytest

from benchmark.cli.app import invoke
from benchmark.conformance import CHECKS, Bench, Broken, checks_for
from benchmark.registry import find_method, method_names

ALWAYS = ("keeps_the_contract", "zero_is_finetune", "is_not_finetune", "resumes",
          "state_is_what_is_counted", "keeps_to_its_own_data")
"""Checks that `make test` runs for every method, too; all of them are run by `make test-all`."""

PAIRS = [(name, check) for name in method_names() for check in checks_for(find_method(name))]


@pytest.fixture(scope="session")
def benches(tmp_path_factory, cache):
    """One bench per method, so that checks share their runs."""
    made: dict[str, Bench] = {}

    def bench(name: str) -> Bench:
        if name not in made:
            made[name] = Bench(name, tmp_path_factory.mktemp(name), cache)
        return made[name]

    return bench


@pytest.mark.parametrize(("name", "check"), [
    pytest.param(name, check, id=f"{name}-{check.name}",
                 marks=[] if check.name in ALWAYS else pytest.mark.thorough)
    for name, check in PAIRS])
def test_conforms(name, check, benches):
    check.run(benches(name))


def test_every_lifelong_method_has_a_zero():
    without = [name for name in method_names() if find_method(name).kind == "lifelong"
               and not find_method(name).zero]
    assert without == ["finetune"]


@pytest.mark.parametrize("name", method_names())
def test_a_method_is_active_unless_its_settings_are_those_of_zero(name):
    kind = find_method(name)
    assert kind(kind.Config()).active
    assert kind(kind.Config(**kind.zero)).active == (not kind.zero)


PLUG_IN = """
    import torch
    from benchmark.method import Method, MethodConfig, setting

    class Odd(Method):
        class Config(MethodConfig):
            weight: float = setting(1.0, "strength", "ours", ge=0)

        name = "odd"
        summary = "breaks a rule"
        family = "test"
        zero = {"weight": 0.0}
"""

RULES = {
    "zero_is_finetune": ("""
        def loss(self, step):
            torch.rand(1)  # shifts the dropout of what follows
            return step.new_losses()
    """, "with weight=0.0 it is not finetune"),
    "is_not_finetune": ("", "its numbers are those of finetune"),
    "is_deterministic": ("""
        def loss(self, step):
            import time
            return {"backbone/b": sum(step.new_losses().values()) * (1 + time.time() % 1)}
    """, "the same seed gave other numbers"),
    "resumes": ("""
        pull = []

        def end_phase(self, phase):
            self.pull.append(phase.number)

        def loss(self, step):
            return {"backbone/b": sum(step.new_losses().values()) * (1 + len(self.pull))}
    """, "state is missing from state_dict"),
    "state_is_what_is_counted": ("""
        seen = None

        def end_phase(self, phase):
            self.seen = torch.cat([batch.images for batch in phase.data.plain(4)])

        def state_dict(self):
            return {} if self.seen is None else {"seen": self.seen}
    """, "holds images of the training set's size, and `needs` does not say exemplars"),
    "keeps_to_its_own_data": ("""
        old = None

        def begin_phase(self, phase):
            if self.old is not None:
                next(self.old.plain(2))
            self.old = phase.data
    """, "a method asked for the images of an earlier phase"),
    "learns_every_kind": ("""
        def loss(self, step):
            return {"backbone/b": sum(
                step.output(task).square().mean() - 1 / step.batch.targets["depth"].nanmean()
                for task in step.phase.tasks)}
    """, "depth"),
    "predicts_any_image": ("""
        def predict(self, network, images, tasks):
            raws = super().predict(network, images, tasks)
            return {name: raw - raw.mean(0) for name, raw in raws.items()}
    """, "depends on the other images of a batch"),
    "is_rebuilt_from_its_weights": ("""
        gain = 1.0

        def end_phase(self, phase):
            self.gain = 1.0 + phase.number

        def predict(self, network, images, tasks):
            raws = super().predict(network, images, tasks)
            return {name: self.gain * raw for name, raw in raws.items()}
    """, "rebuilt from its weights, it predicts something else: depth"),
    "survives_augmentation": ("""
        def begin_phase(self, phase):
            self.first = next(phase.data.plain(1)).images

        def loss(self, step):
            return {"backbone/b": (step.images - self.first).mean()
                    + sum(step.new_losses().values())}
    """, "must match"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_found(rule, tmp_path, cache):
    raised = found_broken(rule, *RULES[rule], tmp_path, cache)
    assert rule in ("survives_augmentation", "learns_every_kind", "keeps_to_its_own_data") or \
        isinstance(raised, Broken)


def found_broken(rule, body, message, tmp_path, cache):
    """What the check of a rule raises for a method with that body; its text matches `message`."""
    path = tmp_path / "odd.py"
    path.write_text(textwrap.dedent(PLUG_IN) + textwrap.indent(textwrap.dedent(body), "    "))
    (check,) = (each for each in CHECKS if each.name == rule)
    with pytest.raises(Exception, match=message) as raised:
        check.run(Bench(str(path), tmp_path / "runs", cache))
    return raised.value


@pytest.mark.parametrize(("line", "message"), [
    ("raw / (images.amax((1, 2, 3)) > 0).view(-1, 1, 1, 1)", "not finite for every image"),
    ("raw.bfloat16()", "is torch.bfloat16"),
    ("raw + 0 * next(network.parameters()).add_(1e-6).sum()", "predict changes the network")])
def test_predictions_that_are_none_are_found(line, message, tmp_path, cache):
    found_broken("predicts_any_image", f"""
        def predict(self, network, images, tasks):
            raws = super().predict(network, images, tasks)
            return {{name: {line} for name, raw in raws.items()}}
    """, message, tmp_path, cache)


def test_runs_whose_predictions_are_not_finite_are_found(tmp_path, cache):
    found_broken("learns_every_kind", """
        def predict(self, network, images, tasks):
            raws = super().predict(network, images, tasks)
            return {name: raw / 0 for name, raw in raws.items()}
    """, "predictions are not finite: .* after phase 1", tmp_path, cache)


def test_a_newcomers_method_conforms_and_runs(tmp_path, monkeypatch, capsys):
    """From nothing to a passing method: the commands that `new` prints."""
    monkeypatch.chdir(tmp_path)
    assert invoke(["new", "method", "my_idea"]) == 0
    printed = capsys.readouterr().out
    assert "lhlbench check my_idea.py" in printed
    assert invoke(["check", "my_idea.py"]) == 0
    assert f"all {len(CHECKS)} checks hold" in capsys.readouterr().out
    assert (tmp_path / "test_my_idea.py").exists()
    assert invoke(["new", "method", "my_idea"]) == 2
    assert "my_idea.py is there already" in capsys.readouterr().err


def test_check_names_what_is_broken(tmp_path, capsys):
    path = tmp_path / "odd.py"
    path.write_text(textwrap.dedent(PLUG_IN))
    assert invoke(["check", str(path)]) == 1
    printed = capsys.readouterr()
    assert "BROKEN is_not_finetune" in printed.out
    assert "1 of 14 checks are broken" in printed.err


def test_check_stops_at_a_hook_that_breaks_its_contract(tmp_path, capsys):
    path = tmp_path / "odd.py"
    path.write_text(textwrap.dedent(PLUG_IN) + "    def loss(self, step): return 1.0\n")
    assert invoke(["check", str(path)]) == 1
    printed = capsys.readouterr()
    assert "BROKEN keeps_the_contract" in printed.out
    assert "returned a float" in printed.out
    assert "1 of 14 checks are broken; 13 were not tried" in printed.err


@pytest.mark.parametrize(("words", "message"), [
    (["new", "method", "My-Idea"], "'My-Idea' cannot name a method"),
    (["new", "method", "class"], "'class' cannot name a method"),
    (["new", "thing", "x"], "unknown kind of file 'thing'"),
    (["check", "hed"], "unknown method 'hed'. Did you mean had")])
def test_wrong_requests(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(words) == 2
    assert message in capsys.readouterr().err
