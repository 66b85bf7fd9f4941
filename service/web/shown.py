"""What was shown in which version, so that asking whether it is still so costs one question.

Whoever may not see every change of a collection gets a digest of what is shown as tag (`service.web.tags`).
Of which version that was is remembered here, in the memory of this process, and goes nowhere. While the
version is still the same, so is what is shown: 304 without making it anew. Another version tells nothing, nor
does a tag that is not remembered, of another process or from before a start: then it is made anew, and its
digest compared.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from service.access import may_know_versions
from service.registry import Collection
from service.store.items import select_version
from service.web.context import Context
from service.web.tags import digests_tag, is_known, known_version, page_tag

MOST = 20_000  # of a third of a kilobyte


class Shown:
    """The tags that were given last: by mark, the version and the tag."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._given: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._given)

    def find(self, mark: str) -> tuple[int, str] | None:
        """The version and the tag that were given last for what the mark stands for."""
        with self._lock:
            found = self._given.get(mark)
            if found is not None:
                self._given.move_to_end(mark)
            return found

    def keep(self, mark: str, version: int, tag: str) -> None:
        """Remember the tag of that version, unless a later one is known."""
        with self._lock:
            before = self._given.get(mark)
            if before is not None and before[0] > version:
                return
            self._given[mark] = (version, tag)
            self._given.move_to_end(mark)
            while len(self._given) > self._most:
                self._given.popitem(last=False)


def unchanged(context: Context, collections: Sequence[Collection], mark: str) -> str | None:
    """The tag, if the client has what would be shown now, as far as that is known without making it.

    collections: all that it is made of. mark: who sees it and how it is written out.
    """
    had = had_before(context, collections, mark)
    if had is None:
        return None
    sources = tuple({source for one in collections for source in one.sources})
    version, tag = had
    return tag if version == select_version(context.engine, context.principal, sources) else None


def had_before(context: Context, collections: Iterable[Collection], mark: str) -> tuple[int, str] | None:
    """The version of what the client has, with its tag; None where it has nothing that is known here."""
    header = context.request.headers.get("if-none-match")
    if not header:
        return None
    if all(may_know_versions(context.principal, one) for one in collections):
        version = known_version(header, mark)
        return None if version is None else (version, page_tag(version, mark))
    shown: Shown = context.request.app.state.shown
    found = shown.find(mark)
    return found if found is not None and is_known(header, found[1]) else None


def tag_of_shown(
    context: Context,
    collections: Iterable[Collection],
    mark: str,
    version: int,
    digests: Callable[[], Iterable[bytes]],
) -> str:
    """The tag of what is shown. version: that it was made of, or an earlier one. digests: those of its parts,
    reckoned only for those who may not know the version.
    """
    if all(may_know_versions(context.principal, one) for one in collections):
        return page_tag(version, mark)
    tag = digests_tag(mark, *digests())
    shown: Shown = context.request.app.state.shown
    shown.keep(mark, version, tag)
    return tag


def is_had(context: Context, tag: str) -> bool:
    """Whether the client has what the tag stands for."""
    return is_known(context.request.headers.get("if-none-match"), tag)
