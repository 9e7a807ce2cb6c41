"""The recipe: every training choice that is not the method's, as one typed file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmark.config.canonical import LATER


class Recipe(BaseModel):
    """How a network is built and trained in every phase, the same for all methods."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str = Field("", description="one sentence: where these values come from")

    backbone: str = Field("narrow", description="'narrow' or a timm model name")
    weights: str = Field("none", description="'none' (random), 'imagenet' (an installed package, "
                                             "the hub's cache, the hub) or a FILE.safetensors")
    stages: int | None = Field(
        None, ge=1, json_schema_extra=LATER,
        description="keep the encoder's first stages only (of a plain transformer: quarters)")
    neck: Literal["none", "simple_pyramid"] = Field(
        "none", json_schema_extra=LATER,
        description="what follows a plain transformer: resampling alone, or ViTDet's simple "
                    "pyramid before it")
    head_rates: tuple[int, ...] = Field((12, 24, 36), description="dilation rates of the ASPP head")
    head_channels: int = Field(256, ge=1, description="width of the ASPP head")
    head_dropout: float = Field(0.5, ge=0, lt=1, description="dropout of the ASPP head")
    align_corners: bool = Field(
        False, json_schema_extra=LATER,
        description="enlarge raw outputs so that corner pixels lie on corner pixels, instead of "
                    "pixel borders on pixel borders")
    normalise: Literal["none", "imagenet", "half", "auto"] = Field(
        "none", description="input scaling after [0, 1]: none, ImageNet's mean and deviation, .5 "
                            "and .5, or what the backbone was pretrained with")

    epochs: int = Field(ge=1, description="epochs per phase; the last one counts")
    batch: int = Field(ge=1, description="images per step")
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(gt=0, description="learning rate (its peak, for one-cycle)")
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    schedule: Literal["constant", "onecycle", "poly"] = "constant"
    shuffle: bool = Field(True, description="new image order every epoch; false: file order")
    drop_last: bool = Field(True, description="leave out the last batch when it is not full")
    batch_norm: Literal["train", "freeze_stats", "freeze"] = Field(
        "train", description="encoder batch norm from phase 2 on: trained, running statistics "
                             "frozen, or statistics and affine parameters frozen")
    precision: Literal["fp32", "bf16"] = "fp32"

    crop: tuple[int, int] | None = Field(None, description="random crop (height, width)")
    crops_per_image: int = Field(1, ge=1, description="random crops of each image per epoch")
    scales: tuple[float, ...] = Field((1.0,), description="random zoom factors, each >= 1")
    flip: bool = Field(False, description="random horizontal flip")

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if min(self.scales, default=0.0) < 1.0:
            raise ValueError("scales: give at least one zoom factor, each >= 1")
        if self.crops_per_image > 1 and not self.augments:
            raise ValueError("crops_per_image > 1 repeats identical images unless crop, scales or "
                             "flip is set")
        return self

    @property
    def augments(self) -> bool:
        """Whether a training image differs from epoch to epoch."""
        return self.crop is not None or self.scales != (1.0,) or self.flip
