"""What keeps a statistic from being computed at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from layers.errors import LayersError
from layers.statistics.statement import Both, both


class MissingExtra(LayersError):  # noqa: N818 (named after what it is)
    """The packages of the extra `statistics` are not installed."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.text: Both = both("statistics.missing_extra", package=package)
        super().__init__(self.text["en"])


@contextmanager
def need_extra() -> Iterator[None]:
    """Turns a missing package into `MissingExtra`, which names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "esda") from None
