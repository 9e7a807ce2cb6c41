"""The request for one run, and the command line that makes that run.

A `RunRequest` names everything that decides the numbers of a run; how the run is carried out
(device, folders) is in `benchmark.engine.options`. `RunRequest.command` is the one place that
writes `lhlbench run ...`, and `RunCommand.parse` the one that reads it back from a record.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, Self

from benchmark.errors import RequestError
from benchmark.record import Record

PROGRAM = ("lhlbench", "run")
DEFAULT_RUNS = Path("results/runs")
"""Folder of the records where `--runs` names no other."""


@dataclass(frozen=True)
class RunRequest:
    """One run as a user asks for it: names and settings, not yet resolved (`plan.make_plan`).

    Requests are values: equal when all fields are, hashable, and changed with
    `dataclasses.replace`, `in_order` and `of_method`. Two different requests may resolve to the
    same run, such as one that sets a default explicitly.
    """

    method: str
    """A method's name or the path of its file."""
    sequence: str
    """A sequence's name, or `FILE.yaml[:s2]` for one of a family's file."""
    seed: int = 0
    settings: tuple[str, ...] = ()
    """`recipe.epochs=5`-like overrides of recipe, data set and family, later ones winning."""
    method_settings: tuple[str, ...] = ()
    """`weight=3`-like overrides of the method's configuration."""
    recipe: str | None = None
    """Another recipe than the family's."""
    tuned: bool = False
    """The method's settings and the learning rate as tuned for the family, not the defaults."""

    def __str__(self) -> str:
        return f"{self.method} on {self.sequence}, seed {self.seed}"

    @property
    def words(self) -> list[str]:
        """The command line of the run as separate, unquoted words."""
        words = [*PROGRAM, "--method", self.method, "--sequence", self.sequence,
                 "--seed", str(self.seed)]
        for option, values in (("--set", self.settings), ("--method-set", self.method_settings)):
            words += [word for value in values for word in (option, value)]
        words += ["--recipe", self.recipe] if self.recipe else []
        return words + (["--tuned"] if self.tuned else [])

    def command(self, options: Iterable[str] = ()) -> str:
        """The command that makes the run, quoted for a shell.

        `options` are further words that change no number, such as those of `option_words`.
        """
        return shlex.join([*self.words, *options])

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """The request in the words of a command `lhlbench run ...`.

        Words that change no number are left out (`RunCommand` keeps them). Raises `RequestError`
        for another command, and where method or sequence is missing.
        """
        return cls._parse(words)[0]

    @classmethod
    def from_command(cls, text: str) -> Self:
        """The request in a command as `command` writes it. Raises `RequestError` as `parse` does,
        and for a quotation that does not end."""
        return cls.parse(_split(text))

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """The request a record was made by.

        A record that names no command of a single run (made from Python, or by tuning) gives
        method, sequence and seed alone.
        """
        try:
            return cls.from_command(str(record.environment.get("command", "")))
        except RequestError:
            return cls(record.method.name, record.sequence, record.seed)

    def in_order(self, sequence: str, seed: int | None = None) -> Self:
        """The same run on another sequence of the family, `<family>_s<k>`; of a family's file where
        this one is, and with another seed where one is given."""
        file, own_file, _ = self.sequence.partition(".yaml")
        if own_file:
            sequence = f"{file}.yaml:{sequence.rpartition('_')[2]}"
        return replace(self, sequence=sequence, seed=self.seed if seed is None else seed)

    def of_method(self, method: str) -> Self:
        """The run of another method under the same recipe and data, with that method's own
        settings: those given for this one are dropped."""
        return replace(self, method=method, method_settings=())

    def portable(self) -> Self:
        """The request as it may be typed anywhere: files by their names, without folders."""
        return replace(self, method=_bare(self.method), sequence=_bare(self.sequence))

    @classmethod
    def _parse(cls, words: Sequence[str]) -> tuple[Self, list[str]]:
        """The request and the words that are not part of it."""
        rest = [word for word in words if word != "--debug"]
        if len(rest) < 2 or (_bare(rest[0]), rest[1]) != PROGRAM:
            raise RequestError(f"'{shlex.join(words)}' is not a command {' '.join(PROGRAM)}")
        given, options = _request_parser().parse_known_args(rest[2:])
        settings = [*given.set, *([f"recipe.precision={given.precision}"] if given.precision
                                  else [])]
        return cls(given.method, given.sequence, given.seed, tuple(settings),
                   tuple(given.method_set), given.recipe, given.tuned), options


@dataclass(frozen=True)
class RunCommand:
    """A command `lhlbench run ...`: the request, and the words that change no number."""

    request: RunRequest
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> RunCommand:
        """The command a record names. Raises `RequestError` as `RunRequest.from_command` does."""
        request, options = RunRequest._parse(_split(text))
        return cls(request, tuple(options))

    def portable(self) -> RunCommand:
        """The command as it may be typed anywhere: no folders of this machine, and no words about
        one call only, such as `--json`."""
        _, kept = _local_parser().parse_known_args(self.options)
        return RunCommand(self.request.portable(), tuple(kept))

    def __str__(self) -> str:
        return self.request.command(self.options)


def option_words(device: str = "auto", data_root: Path | None = None,
                 runs: Path = DEFAULT_RUNS) -> list[str]:
    """The words that say how a run is carried out, without those at their default."""
    words = ["--device", device] if device != "auto" else []
    words += ["--data-root", str(data_root)] if data_root else []
    return words + (["--runs", str(runs)] if runs != DEFAULT_RUNS else [])


class _Parser(argparse.ArgumentParser):
    """A parser of known words that raises `RequestError` where argparse would exit."""

    def __init__(self) -> None:
        super().__init__(prog=" ".join(PROGRAM), add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{self.prog}: {message}")


def _request_parser() -> _Parser:
    parser = _Parser()
    parser.add_argument("--method", required=True)
    parser.add_argument("--sequence", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--method-set", action="append", default=[])
    parser.add_argument("--precision")
    parser.add_argument("--recipe")
    parser.add_argument("--tuned", action="store_true")
    return parser


def _local_parser() -> _Parser:
    """What a command says of the machine and the call it was typed for."""
    parser = _Parser()
    for option in ("--runs", "--data-root"):
        parser.add_argument(option)
    for flag in ("--json", "--overwrite", "--dry-run"):
        parser.add_argument(flag, action="store_true")
    return parser


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise RequestError(f"'{text}' is not a command: {error}") from None


def _bare(path: str) -> str:
    """The name of a file, whichever way its folders are separated."""
    return path.replace("\\", "/").rpartition("/")[2]
