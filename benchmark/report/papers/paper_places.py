"""Where a paper's tables are measured here: sequences, recipes, methods, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.report.papers.paper_data import Key

CITATIONS = {
    "had": "Zhang et al., Heterogeneity-Aware Distillation for Lifelong Heterogeneous Learning, "
           "CVPR 2026, arXiv 2603.26192",
    "jointdistill": "Cheng et al., JointDistill, arXiv 2505.10057, 2025",
    "heteroakd": "Huang et al., Distilling Knowledge from Heterogeneous Architectures for Semantic "
                 "Segmentation, AAAI 2025, arXiv 2504.07691",
}


@dataclass(frozen=True)
class Variant:
    """A method under settings of its own, as `--method-set` takes them."""

    method: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """The runs a table is measured by: what the command line of each says beside the method."""

    sequence: str
    recipe: str
    settings: tuple[str, ...] = ()
    differs: str = ""
    """What keeps the numbers from being compared with the paper's; empty where nothing known
    does, and differences are computed."""
    assumed: str = ""
    """What the paper does not state and the differences take for granted."""
    tasks: Mapping[str, str] = field(default_factory=dict)
    """The sequence's name of a task where it is not the table's."""
    methods: Mapping[str, Variant | None] = field(default_factory=dict)
    """What stands for a method of the table, where it is not what METHODS says."""
    beside: Mapping[str, Variant] = field(default_factory=dict)
    """Rows that the paper does not have."""
    tuned: bool = False
    """Whether methods run as tuned for the family, not by their defaults."""

    @property
    def told(self) -> str:
        """As a reader of a table sees it."""
        parts = [self.sequence, f"recipe {self.recipe}", *self.settings]
        return ", ".join([*parts, "tuned"] if self.tuned else parts)


METHODS: dict[str, Variant | None] = {
    "naive": Variant("finetune"), "EWC": Variant("ewc"), "LwF": Variant("lwf"),
    "iCaRL": Variant("icarl"), "DER": Variant("der"), "SPG": Variant("spg"), "SGP": Variant("sgp"),
    "HAD": Variant("had"), "joint": Variant("joint"), "separate": Variant("separate"),
    "HAD without SG": Variant("had", ("salient=false",)),
    "HAD without DB": Variant("had", ("balanced=false",)),
    "HAD, arithmetic mean": Variant("had", ("mean=arithmetic",)),
    "HAD, 5 bins": Variant("had", ("group_bins=5",)),
    "HAD, 10 bins": Variant("had", ("group_bins=10",)),
    "HAD, 15 bins": Variant("had", ("group_bins=15",)),
    "only old decoders updated": None,
    "new task first, old decoders patched after": None,
    "only the new decoder updated": None,
    "simultaneous learning and distillation": Variant("had"),
    "single-task teachers": Variant("separate"),
    "JointDistill": Variant("jointdistill_offline"),
    "student": Variant("joint", ("labels=all",)), "CWD": None,
    "HeteroAKD": Variant("heteroakd_offline"),
}
"""What stands for each method of the papers, at its defaults unless it says more; None: nothing
here does."""

_RELEASED = {"HAD (released losses)": Variant("had_released")}
_BLOCK = "no number or architecture of the paper is known; 'separate', which stands for its " \
         "teachers, learns each task from that task's block only"
_LIFELONG_JOINT = {"JointDistill (lifelong)": Variant("jointdistill")}
_UNSTATED = "the paper's backbone is not stated, ResNet-18 is ours"
_FIRST = "that the table is of the paper's order S1 (semantic, depth, normal), and what the " \
         "recipe says of shuffling and the scaling of images"
_TEN = "which ten tasks the paper took, its split and its image size are not stated"
_CLASSES = "classes, backbone and order of the paper's number are not stated"

PLACES: dict[Key, Place | str] = {
    ("had", "lifelong", "nyuv2", "resnet18", ""): Place(
        "nyuv2_s1", "paper_resnet18", assumed=_FIRST, beside=_RELEASED),
    ("had", "lifelong", "nyuv2", "resnet50", ""): Place(
        "nyuv2_s1", "paper_resnet50", assumed=_FIRST, beside=_RELEASED),
    ("had", "lifelong", "taskonomy", "resnet18", ""): Place(
        "taskonomy10_s1", "paper_resnet18", differs=_TEN, beside=_RELEASED),
    ("had", "lifelong", "cityscapes7", "", ""): Place(
        "cityscapes_s1", "paper_resnet18", differs=f"{_UNSTATED}; so is the image size",
        beside=_RELEASED),
    ("had", "lifelong", "cityscapes19", "", ""): Place(
        "cityscapes19_s1", "paper_resnet18", differs=f"{_UNSTATED}; so is the image size",
        tasks={"semantic": "semantic19"}, beside=_RELEASED),
    ("had", "stated", "nyuv2", "", ""): Place("nyuv2_s1", "paper_resnet18", differs=_UNSTATED),
    ("had", "stated", "nyuv2", "", "sequence 2"): Place(
        "nyuv2_s2", "paper_resnet18",
        differs=f"the paper's sequence 2 is not stated, s2 is ours; {_UNSTATED}"),
    ("had", "stated", "cityscapes", "", ""): Place(
        "cityscapes_s1", "paper_resnet18", differs=_CLASSES),
    ("had", "stated", "cityscapes", "", "another setting"): Place(
        "cityscapes_s2", "paper_resnet18", differs=_CLASSES),
    ("had", "stated", "taskonomy", "", ""): Place(
        "taskonomy10_s1", "paper_resnet18", tasks={"depth": "depth_zbuffer"},
        differs=f"{_TEN}; depth here is depth_zbuffer, mean absolute error"),
    ("had", "separate", "taskonomy", "resnet18", ""): Place(
        "taskonomy10_s1", "paper_resnet18", differs=_TEN),
    ("had", "separate", "nyuv2", "", ""): Place("nyuv2_s1", "paper_resnet18", differs=_UNSTATED),
    ("had", "ablation", "", "", ""): Place(
        "nyuv2_s1", "paper_resnet18", differs="the paper's data set and formula are not stated"),
    ("had", "paradigms", "", "", ""): Place(
        "nyuv2_s1", "paper_resnet18", differs="no number of the paper is known"),
    ("jointdistill", "joint", "cityscapes", "", ""): Place(
        "cityscapes_s1", "paper_resnet18", beside=_LIFELONG_JOINT,
        differs=_BLOCK),
    ("jointdistill", "joint", "nyuv2", "", ""): Place(
        "nyuv2_s1", "paper_resnet18", beside=_LIFELONG_JOINT,
        differs=f"{_BLOCK}; ours learns normals too"),
    ("heteroakd", "segmentation", "cityscapes", "DeepLabV3-MobileNetV2",
     "teacher DeepLabV3-MiT-B4"): Place(
        "cityscapes19_s1", "paper_resnet18", ("recipe.backbone=mobilenetv2_100",),
        tasks={"semantic": "semantic19"},
        methods={"HeteroAKD": Variant("heteroakd_offline", ("teacher_backbone=pvt_v2_b4",))},
        differs="the teacher here is PVTv2-B4, depth is learnt beside, at 128 x 256 and by HAD's "
                "recipe"),
    ("heteroakd", "segmentation", "pascal voc", "", ""): "no reader of PASCAL VOC",
    ("heteroakd", "segmentation", "ade20k", "", ""): "no reader of ADE20K",
    ("heteroakd", "gains", "", "", "largest of all pairs"): "the pair is not stated",
    ("heteroakd", "gains", "", "", "homogeneous pairs, mean"): "the pairs are not stated",
}
"""Every table of the papers; a string is the reason why nothing is measured for it."""

_ROOMS = "other images, another network: rendered rooms at 48 x 64"
_ROOMS3 = Place("rooms_s1", "rooms", differs=_ROOMS, beside=_RELEASED)
_ROOMS10 = Place("rooms10_s1", "rooms", differs=_ROOMS, beside=_RELEASED)
_ROOMS_JOINT = Place("rooms_s1", "rooms", differs=f"{_ROOMS}; it learns normals too",
                     beside=_LIFELONG_JOINT)
_NO_TWO_TASKS = "the embedded data have no family of two tasks"

EMBEDDED: dict[Key, Place | str] = PLACES | {
    ("had", "lifelong", "nyuv2", "resnet18", ""): _ROOMS3,
    ("had", "lifelong", "nyuv2", "resnet50", ""): "the embedded data are learnt by one network; "
                                                  "it stands in the table of ResNet-18",
    ("had", "lifelong", "taskonomy", "resnet18", ""): _ROOMS10,
    ("had", "lifelong", "cityscapes7", "", ""): _NO_TWO_TASKS,
    ("had", "lifelong", "cityscapes19", "", ""): _NO_TWO_TASKS,
    ("had", "stated", "nyuv2", "", ""): Place("rooms_s1", "rooms", differs=_ROOMS),
    ("had", "stated", "nyuv2", "", "sequence 2"): Place("rooms_s2", "rooms", differs=_ROOMS),
    ("had", "stated", "cityscapes", "", ""): _NO_TWO_TASKS,
    ("had", "stated", "cityscapes", "", "another setting"): _NO_TWO_TASKS,
    ("had", "stated", "taskonomy", "", ""): Place("rooms10_s1", "rooms", differs=_ROOMS),
    ("had", "separate", "taskonomy", "resnet18", ""): Place("rooms10_s1", "rooms", differs=_ROOMS),
    ("had", "separate", "nyuv2", "", ""): Place("rooms_s1", "rooms", differs=_ROOMS),
    ("had", "ablation", "", "", ""): Place("rooms_s1", "rooms", differs=_ROOMS),
    ("had", "paradigms", "", "", ""): Place("rooms_s1", "rooms", differs=_ROOMS),
    ("jointdistill", "joint", "nyuv2", "", ""): _ROOMS_JOINT,
    ("jointdistill", "joint", "cityscapes", "", ""): _NO_TWO_TASKS,
    ("heteroakd", "segmentation", "cityscapes", "DeepLabV3-MobileNetV2",
     "teacher DeepLabV3-MiT-B4"): Place(
        "rooms_hetero_s1", "rooms",
        methods={"student": Variant("finetune"), "HeteroAKD": Variant("heteroakd")},
        differs=f"{_ROOMS}; and the lifelong form: a CNN teaches a transformer, which teaches a "
                "CNN, while depth and normals are learnt; the student learns without a teacher"),
}
"""The same tables filled from data that are rendered on the spot."""
