"""Random edits of what a run or a user leaves: records, families' files, statistics."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZipFile

import numpy as np
import yaml

ATOMS: tuple[Any, ...] = (
    None, True, False, "", " ", "x" * 5000, "\x1b[31mred", "[/red]", "[bold]", "=1+1", "@x", "-1",
    "a/b", "../x", "/etc/passwd", "\ud800", "\u202eabc", "\x00", "a\nb", "javascript:alert(1)",
    "<script>alert(1)</script>", "\\input{x}", "$x_1", "`id`", "rooms_s" + "9" * 5000, "rooms_s٣",
    "NaN", 0, 1, -1, 3, 2 ** 31, 2 ** 63, -2 ** 63, 10 ** 400, 10 ** 5000, 0.5, -0.0, 1e-320, 1e100,
    1e308, -1e308, float("nan"), float("inf"), [], {}, [[]], [None], {"a": {}}, {"": 1},
    [1, "a", {}])
"""Values that a file may hold where another one belongs."""
NAMES = [value for value in ATOMS if isinstance(value, str)]


def mutated(content: Any, random: Random, edits: int = 1) -> Any:
    """A copy of JSON values with some places replaced, removed, doubled, renamed or exchanged."""
    result = copy.deepcopy(content)
    for _ in range(edits):
        block, key = random.choice(_places(result))
        edit = random.randrange(6)
        if edit <= 1:
            block[key] = copy.deepcopy(random.choice(ATOMS))
        elif edit == 2:
            del block[key]
        elif edit == 3:
            other, place = random.choice(_places(result))
            block[key] = copy.deepcopy(other[place])
        elif edit == 4 and isinstance(block, dict):
            block[random.choice(NAMES)] = block.pop(key)
        elif isinstance(block, list):
            block.insert(random.randrange(len(block) + 1), copy.deepcopy(block[key]))
        else:
            block[random.choice("abc")] = copy.deepcopy(random.choice(ATOMS))
        if not _places(result):
            break
    return result


def mutated_json(content: Any, random: Random) -> bytes:
    """JSON of mutated values; one in four has bytes changed as well."""
    text = _json(mutated(content, random, random.choice((1, 1, 1, 2, 5)))).encode()
    return mutated_bytes(text, random) if random.randrange(4) == 0 else text


def mutated_yaml(content: Any, random: Random) -> bytes:
    """YAML of mutated values, at times with tags, aliases, odd keys or other bytes."""
    value = mutated(content, random, random.choice((1, 1, 2)))
    try:
        text = yaml.safe_dump(value, allow_unicode=True)
    except (ValueError, UnicodeError):
        text = _json(value)
    odd = ("? [a]: c\n", "x: !!set {a}\n", "x: !!bool maybe\n", "x: !!timestamp abc\n",
           "a: &a [1]\nb: *a\n", "x: .nan\n", "x: 2001-99-99\n", "x: " + "9" * 5000 + "\n",
           "x: " + "[" * 5000, "x: " + "1:" * 5000 + "1\n", "<<: {a: 1}\n", "%YAML 9.9\n")
    if random.randrange(3) == 0:
        text += random.choice(odd)
    data = text.encode("utf-8", "surrogatepass")
    return mutated_bytes(data, random) if random.randrange(4) == 0 else data


def mutated_statistics(path: Path, random: Random) -> bytes:
    """A statistics file with an array, a name or some bytes changed."""
    arrays = dict(np.load(path))
    name = random.choice(sorted(arrays))
    edit = random.randrange(7)
    if edit == 0:
        del arrays[name]
    elif edit == 1:
        arrays[random.choice(("9/x/y", "../x", "0/a/b", "1/depth/" + "z" * 300))] = arrays.pop(name)
    elif edit == 2:
        arrays[name] = arrays[name].astype(random.choice(("float16", "bool", "U3", "complex64")))
    elif edit == 3:
        arrays[name] = arrays[name][: random.randrange(3)]
    elif edit == 4:
        arrays[name] = np.full_like(arrays[name], random.choice((0, -1, 2 ** 62)))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    if edit == 5:
        with ZipFile(buffer, "a") as archive:
            archive.writestr("1/depth/evil.npy", random.choice((b"", b"\x80\x04N.", b"\x93NUMPY")))
    return mutated_bytes(buffer.getvalue(), random) if edit == 6 else buffer.getvalue()


def mutated_bytes(data: bytes, random: Random) -> bytes:
    """Bytes with some changed, removed or doubled."""
    start = random.randrange(len(data))
    stop = min(len(data), start + random.choice((1, 8, 200)))
    edit = random.randrange(4)
    if edit == 0:
        return data[:start]
    if edit == 1:
        return data[:start] + data[stop:]
    if edit == 2:
        return data[:stop] + data[start:]
    return data[:start] + random.randbytes(stop - start) + data[stop:]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    parts = (list(value.items()) if isinstance(value, dict)
             else list(enumerate(value)) if isinstance(value, list) else [])
    found = [(value, key) for key, _ in parts]
    for _, part in parts:
        found += _places(part)
    return found


def _json(value: Any) -> str:
    """JSON with numbers of any length, which `json.dumps` refuses to write."""
    if isinstance(value, bool) or not isinstance(value, int | list | dict):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10 ** 4000 else "9" * 5000
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    return "{" + ", ".join(f"{json.dumps(str(key))}: {_json(part)}"
                           for key, part in value.items()) + "}"
