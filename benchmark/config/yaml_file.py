"""YAML files a user may have written: read safely and strictly, with errors that name the line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from benchmark.errors import RequestError, one_line, shortened, unknown
from benchmark.files import read_file

Model = TypeVar("Model", bound=BaseModel)

_LARGEST_FILE = 1 << 20
_LONGEST_NUMBER = 100
_LARGEST_INTEGER = 2 ** 63 - 1
_DEEPEST = 40
_LONGEST_REASON = 300


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader without aliases (no billion laughs), tags, dates and silent duplicate keys.

    Keys are single words, and whole numbers have 64 bits.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        parser: Any = self
        event = parser.peek_event()
        if isinstance(event, yaml.events.AliasEvent):
            raise _refused("aliases are not allowed", event)
        if getattr(event, "tag", None) not in (None, "!"):
            raise _refused(f"tags such as {shortened(event.tag)} are not allowed", event)
        if self.depth >= _DEEPEST:
            raise _refused("nested too deeply", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(node, yaml.ScalarNode) and not node.value.isascii() and any(
                "\ud800" <= letter <= "\udfff" for letter in node.value):
            raise _refused("a text that is no Unicode", event)
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused("a key must be a single word", key)
            if key.value in seen:
                raise _refused(f"key '{shortened(key.value)}' stands twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """Construct a whole or real number that a computer has too."""
        whole = node.tag.endswith(":int")
        construct = self.construct_yaml_int if whole else self.construct_yaml_float
        if len(node.value) > _LONGEST_NUMBER:
            raise _refused("the number is too long", node)
        try:
            number: int | float = construct(node)
        except ValueError:
            raise _refused(f"{node.value} is not a number", node) from None
        if whole and abs(number) > _LARGEST_INTEGER:
            raise _refused(f"{node.value} is too large for a whole number", node)
        return number


    def construct_date(self, node: yaml.ScalarNode) -> str:
        """Refuse a date, which no setting is."""
        raise _refused(f"{node.value} is read as a date; put it in quotes", node)


for _tag in ("int", "float"):
    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _StrictLoader.construct_number)
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _StrictLoader.construct_date)


def _refused(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def _load(text: str) -> tuple[Any, yaml.Node | None]:
    loader = _StrictLoader(text)
    try:
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    finally:
        loader.dispose()


def read_value(text: str) -> Any:
    """The value that a text is in YAML, read as strictly as files are.

    Raises `ValueError` that says what is wrong with it.
    """
    try:
        return _load(text)[0]
    except yaml.MarkedYAMLError as error:
        raise ValueError(one_line(error.problem or "it is no YAML")) from None
    except yaml.YAMLError as error:
        raise ValueError(one_line(str(error))) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read(path: Path) -> tuple[Any, yaml.Node | None]:
    """Content of a YAML file and its node tree, which has the line of each key.

    Raises `RequestError` naming the file and, where there is one, the line.
    """
    try:
        return _load(read_file(path, _LARGEST_FILE).decode("utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise RequestError(f"{path}, line {line}: {error.problem}") from None
    except RecursionError:
        raise RequestError(f"{path} cannot be read: nested too deeply") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise RequestError(f"{path} cannot be read: {shortened(reason, _LONGEST_REASON)}"
                           ) from None


def parse(model: type[Model], path: Path) -> Model:
    """A YAML file as a validated model; errors name file, line and key."""
    content, node = read(path)
    if not isinstance(content, dict):
        raise RequestError(f"{path}, line 1: expected 'key: value' lines")
    return validate(model, content, str(path), node)


def validate(model: type[Model], content: Any, where: str, node: yaml.Node | None = None) -> Model:
    """`content` as a `model`; the first thing wrong becomes one `RequestError`.

    Numbers that are not finite are refused: no record could hold them.
    """
    try:
        found = model.model_validate(content)
    except ValidationError as error:
        # A misspelt key is also a missing one; the misspelling is what there is to mend. A key of
        # another member of a union is no misspelling.
        known = known_keys(model)
        first = min(error.errors(), key=lambda each: _priority(each, content, known))
        keys = _keys(content, first["loc"])
        line = _line(node, keys)
        source = f"{where}, line {line}" if line else where
        dotted = ".".join(keys)
        if first["type"] == "extra_forbidden":
            raise RequestError(f"{source}: {unknown('key', dotted, known)}") from None
        message = shortened(one_line(first["msg"].removeprefix("Value error, ")), _LONGEST_REASON)
        dotted = shortened(dotted)
        raise RequestError(f"{source}: {dotted + ': ' if dotted else ''}{message}") from None
    for place, number in _not_finite(found.model_dump(), ()):
        line = _line(node, place)
        source = f"{where}, line {line}" if line else where
        raise RequestError(f"{source}: {'.'.join(place)}: {number} is not a finite number; give a "
                           "finite one")
    return found


def _priority(error: Any, content: Any, known: Sequence[str]) -> int:
    """The place of an error among those of a model; the lowest is told, the first of equal ones.

    A value out of range tells which member of a union was meant, one of another type does not.
    """
    kind = error["type"]
    if kind != "extra_forbidden":
        return 2 if kind in ("missing", "literal_error") or kind.endswith("_type") else 1
    return 3 if ".".join(_keys(content, error["loc"])) in known else 0


def _not_finite(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place, value
    parts = (value.items() if isinstance(value, dict)
             else enumerate(value) if isinstance(value, list | tuple) else ())
    for key, part in parts:
        yield from _not_finite(part, (*place, str(key)))


def known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted names of all keys of a model, nested models included; those of lists bear no index."""
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        for nested in _models(field.annotation):
            keys += known_keys(nested, f"{prefix}{name}.")
    return keys


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type such as `tuple[Model, ...]` or `Model | str`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _keys(content: Any, place: tuple[int | str, ...]) -> tuple[str, ...]:
    """A place as pydantic states it, without the names of models among the members of a union."""
    keys = []
    for part in place:
        if isinstance(content, list) and isinstance(part, int):
            content = content[part] if part < len(content) else None
        elif isinstance(content, dict) and (part in content or part == place[-1]):
            content = content.get(part)
        else:
            continue
        keys.append(str(part))
    return tuple(keys)


def _line(node: yaml.Node | None, keys: tuple[str, ...]) -> int | None:
    """Line (from 1) of the deepest key or list item of `keys` that the file holds."""
    line = None
    for key in keys:
        if isinstance(node, yaml.SequenceNode) and key.isdecimal():
            if int(key) >= len(node.value):
                break
            node = node.value[int(key)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        found = next(((k, v) for k, v in node.value if k.value == key), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
