"""What ended a run, in one line: the error, where in the method's code, and in which phase."""

from __future__ import annotations

import inspect
import traceback

import torch

from benchmark.method import Method

_LONGEST = 500
"""Letters of an error's message that are kept; some hold whole tensors."""
_NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")
"""What RuntimeErrors of torch say on the CPU, where there is no OutOfMemoryError."""


def describe(error: BaseException, method: type[Method], phase: int) -> str:
    """The reason a run failed, for its record and for the user."""
    place = _place(error, method)
    text = " ".join(str(error).split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    if _is_memory(error):
        return (f"out of memory in phase {phase}{': ' if text else ''}{text} ({place}); "
                "lower recipe.batch")
    if isinstance(error, SystemExit):
        return f"the method left the program (exit {error.code}) in phase {phase} ({place})"
    return (f"{type(error).__name__}{': ' if text else ''}{text} in phase {phase} ({place}); "
            "--debug shows the traceback")


def in_code_of(method: type[Method], error: BaseException) -> bool:
    """Whether an error passed through the file of a method."""
    return any(frame.filename == _file(method) for frame in traceback.extract_tb(
        error.__traceback__))


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(each in str(error) for each in _NO_MEMORY))


def _place(error: BaseException, method: type[Method]) -> str:
    """The last line of the method's file that was at work, else the last line of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == _file(method)]
    last = (own or list(frames))[-1]
    return f"{last.filename}, line {last.lineno}, in {last.name}"


def _file(method: type[Method]) -> str:
    try:
        return inspect.getfile(method)
    except (OSError, TypeError):
        return ""
