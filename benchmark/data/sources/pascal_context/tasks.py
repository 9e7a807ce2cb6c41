"""The tasks of PASCAL-Context, and the names in the files that decide their labels.

Tasks, the grouping of the parts and the rule for the normals are those of facebookresearch/astmt,
which its followers share; see docs/datasets/pascal_context.md.
"""

from __future__ import annotations

from benchmark.tasks import Task

VOC_CLASSES = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat",
               "chair", "cow", "diningtable", "dog", "horse", "motorbike", "person",
               "pottedplant", "sheep", "sofa", "train", "tvmonitor")
PERSON = VOC_CLASSES.index("person")

PART_CLASSES = ("background", "head", "torso", "upper arm", "lower arm", "upper leg", "lower leg")
_PARTS = (
    "",
    "head hair lear rear lebrow rebrow leye reye nose mouth",
    "torso neck",
    "luarm ruarm",
    "llarm rlarm lhand rhand",
    "luleg ruleg",
    "llleg rlleg lfoot rfoot",
)
CLASS_OF_PART = {name: index for index, names in enumerate(_PARTS) for name in names.split()}
"""Class of every part of a person in the files: the first letters l and r are left and right, the
second l and u lower and upper."""

SEMSEG = Task(name="semseg", kind="segmentation", channels=len(VOC_CLASSES), classes=VOC_CLASSES)
HUMAN_PARTS = Task(name="human_parts", kind="segmentation", channels=len(PART_CLASSES),
                   classes=PART_CLASSES)
SAL = Task(name="sal", kind="binary", channels=1)
NORMALS = Task(name="normals", kind="direction", channels=3)
EDGE = Task(name="edge", kind="binary", channels=1)
TASKS = {task.name: task for task in (SEMSEG, HUMAN_PARTS, SAL, NORMALS, EDGE)}

NORMALS_AT = frozenset("""
air conditioner, antenna, ashtray, bag, ball, balloon, barrel, basket, bathtub, bed, bench, bicycle,
blackboard, board, book, bottle, bowl, box, bracelet, brick, broom, bucket, cabinet, cake,
calculator, calendar, camera, can, candle, car, cart, case, cat, cd, ceiling, cell phone, chair,
chessboard, clock, coffee machine, comb, computer, cone, container, corkscrew, counter, crate, cup,
curtain, cutting board, dishwasher, dog, door, drum, duck, envelope, fan, faucet, fax machine,
fire extinguisher, fish tank, flag, flashlight, floor, flower, fork, fruit, furnace, glass, globe,
glove, guitar, hammer, handle, hanger, hat, heater, ipod, ironing board, jar, key, keyboard, knife,
ladder, laptop, lid, light, light bulb, lock, machine, map, mask, mattress, microphone, microwave,
mirror, money, mouse, mouse pad, napkin, oven, pan, paper, paper cutter, pen, pencil, person, photo,
piano, picture, pig, pillow, pipe, pitcher, plant, plate, pool table, pot, printer, projector,
radiator, radio, range hood, remote control, rope, rug, ruler, scale, sculpture, sewing machine,
shelves, shoe, shopping cart, shovel, sign, sink, sofa, spatula, speaker, spoon, stapler, stick,
stool, stove, table, tape, telephone, tent, toaster, toilet, toothbrush, towel, toy, toy car,
trampoline, tray, tricycle, trophy, tvmonitor, typewriter, umbrella, vacuum cleaner, wall, wallet,
wardrobe, washing machine, watch, water dispenser, window, wire
""".replace("\n", " ").strip().split(", "))
"""Context classes that are also among the 894 of NYUv2, and tvmonitor: the network that made the
normals was trained on such things, and not on sky or water."""
