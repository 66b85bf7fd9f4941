"""What can go wrong when a map is drawn."""

from __future__ import annotations


class LayersError(Exception):
    """The map could not be drawn."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class UnknownAsset(LayersError, LookupError):  # noqa: N818 (named after what it is, as KeyError is not)
    """A script, style, font or picture that none of the installed packages holds."""

    def __init__(self, name: str, reason: str = "") -> None:
        self.name = name
        if "//" in name:
            what = f"no installed package holds {name}, so a page that works without internet cannot use it"
        else:
            what = f"no such asset: {name}"
        super().__init__(f"{what} ({reason})" if reason else what)


class OutsideRequest(LayersError):  # noqa: N818
    """A page would ask another host for something."""

    def __init__(self, requests: list[str]) -> None:
        self.requests = tuple(requests)
        super().__init__(f"the page would ask other hosts: {', '.join(requests)}")
