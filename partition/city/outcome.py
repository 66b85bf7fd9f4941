"""What came of a task: its value, or what broke it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from partition.errors import InputError
from partition.findings import Finding


@dataclass(frozen=True)
class Failure:
    """Why a task has no value. Plain data: it can be sent from any process.

    error: the kind and words of the exception, or how the worker ended. where: the last place in the code.
    findings: what an InputError had to say.
    """

    error: str
    where: str = ""
    findings: tuple[Finding, ...] = ()
    lost: bool = False


@dataclass(frozen=True)
class Outcome:
    """A value, or a failure."""

    value: Any = None
    failure: Failure | None = None

    @classmethod
    def lost(cls, status: int) -> Self:
        """The outcome of a task whose worker ended each time, with this exit status (negative: a signal)."""
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return cls(failure=Failure(how, lost=True))


def attempt(task: Callable[[Any], Any], item: Any) -> Outcome:
    """Do a task; whatever breaks it is its outcome. Only the wish to stop (Ctrl-C) goes through."""
    value = None
    with _Fence() as fence:
        value = task(item)
    return Outcome(value, fence.failure)


class _Fence:
    """Between one community and the others: what breaks inside stays inside, and is kept to be told."""

    failure: Failure | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        frames = traceback.extract_tb(trace)
        last = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
        name = type(error).__name__
        if isinstance(error, InputError):  # its findings say it in both languages
            self.failure = Failure(name, last, error.findings)
        else:
            self.failure = Failure(f"{name}: {error}", last)
        return True
