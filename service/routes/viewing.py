"""What all addresses of the centre share: the view that is asked for, and answers kept while they hold.

An answer is kept with the version of all it depends on, in the snapshot it was made in, as tiles are
(DECISIONS 19): whoever takes it brings the version that is now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection

from service.access import Access, Principal, Role
from service.centre.figures import View, read_view
from service.centre.page import mark_of
from service.centre.place import Division, cases_access, find_division
from service.centre.question import REPEATABLE, Filters, read_filters
from service.centre.reach import Footing
from service.links import JSON
from service.registry import COLLECTIONS
from service.store import centre as store
from service.tiles.cache import MadeTile, TileCache
from service.web.context import Context, find_context
from service.web.headers import takes_gzip
from service.web.shown import had_before, is_had, tag_of_shown
from service.web.tags import digest

# parameters of every address that are no filters
GENERAL = frozenset({"f", "lang"})

Asked = TypeVar("Asked")
# what makes an answer of a connection and what is asked about, as it was found there
Make = Callable[[Connection, Asked], Mapping[str, Any]]


@dataclass(frozen=True)
class Asking:
    """A request below `/centre/{division}`: who asks, through which filters."""

    context: Context
    code: str
    filters: Filters
    cases: Access

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.context.principal


def find_asking(
    request: Request,
    division: str,
    *,
    others: frozenset[str] = frozenset(),
    repeated: frozenset[str] = REPEATABLE,
) -> Asking:
    """What a request asks. others: its parameters that are no filters. MalformedError, UnknownError."""
    context = find_context(request, repeated)
    allowed = cases_access(context.principal)
    tiers = any(column.name == "tier" for column, _ in allowed.columns)
    filters = read_filters(request.query_params.multi_items(), tiers=tiers, passed=GENERAL | others)
    return Asking(context, division, filters, allowed)


def look(connection: Connection, asking: Asking) -> View:
    """The view as it is now. Raises UnknownError where the division is not for the principal."""
    division = find_division(connection, asking.principal, asking.code)
    return read_view(connection, asking.cases, division, asking.filters)


def seen_as(principal: Principal) -> tuple[object, ...]:
    """Equal for principals who see the same."""
    return (principal.role, principal.scope, principal.grids)


# who an answer is for: a page whose session has ended would else show the public's answers as its own
SEEN_AS = "Wangge-Seen-As"


def answer_view(
    asking: Asking,
    kind: str,
    make: Callable[[Connection, View], Mapping[str, Any]],
    *,
    extra: tuple[object, ...] = (),
    sources: tuple[str, ...] = store.SOURCES,
) -> Response:
    """The answer about the view as it is now: made by `make`, or kept from before, or 304.

    kind, extra: what is asked besides the view. sources: collections that the answer depends on.
    """
    with asking.context.recording() as connection:
        version = store.select_version(connection, sources)
        view = look(connection, asking)
        key = (
            kind,
            *extra,
            *seen_as(asking.principal),
            view.division,
            view.filters,
            view.clock,
            view.interval,
        )
        return answer_kept(
            asking.context, key, version, lambda: make(connection, view), asking.cases, cases=True
        )


class _NotKeptError(Exception):
    """The answer must be reckoned."""


def answer_in_turn(
    context: Context, answer: Callable[[Make[Asked]], Response], make: Make[Asked], footing: Footing
) -> Response:
    """What `answer` says with an answer that is kept, or with one that `make` makes when it is its turn.

    Whoever waits for the processor holds no connection: what is asked is looked up again afterwards.
    Raises BusyError where too many wait, or it takes too long, RateError where one asks for too much at once.
    """
    try:
        return answer(_not_kept)
    except _NotKeptError:
        pass
    with footing.room(context.client, public=context.principal.role is Role.PUBLIC):
        return answer(make)


def _not_kept(connection: Connection, asked: object) -> Mapping[str, Any]:
    raise _NotKeptError


def answer_kept(
    context: Context,
    key: tuple[object, ...],
    version: int,
    make: Callable[[], Mapping[str, Any]],
    allowed: Access,
    *,
    cases: bool,
) -> Response:
    """An answer of that version, with its tag, packed where the client can unpack it.

    cases: whether it tells of cases, so that nothing stays on a disk; else of buildings and the like.
    """
    mark = digest(allowed, *key)
    headers = _headers(context, cases) | {SEEN_AS: mark_of(context.principal)}
    # of all that an answer is made of, what is hidden from most
    read = [COLLECTIONS["cases" if cases else "buildings"]]
    had = had_before(context, read, mark)
    if had is not None and had[0] == version:
        return Response(status_code=304, headers=headers | {"ETag": had[1]})
    made = make_once(context, key, version, make)
    headers["ETag"] = tag_of_shown(context, read, mark, version, lambda: [made.digest])
    if is_had(context, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if takes_gzip(context.request):
        if not made.packed:
            made = made.pack()
            _cache(context).keep(key, made)
        headers["Content-Encoding"] = "gzip"
        return Response(made.packed, media_type=JSON, headers=headers)
    return Response(made.content, media_type=JSON, headers=headers)


def make_once(
    context: Context, key: tuple[object, ...], version: int, make: Callable[[], Mapping[str, Any]]
) -> MadeTile:
    """What `make` tells, as JSON, kept for those who ask for the same while the version is the same."""
    cache = _cache(context)
    made = cache.take(key, version)
    if made is not None:
        return made
    with cache.turn(key) as waited:
        made = cache.take(key, version) if waited else None
        if made is None:
            body = json.dumps(make(), ensure_ascii=False, separators=(",", ":")).encode()
            made = MadeTile(version, body)
            cache.keep(key, made)
        return made


def _cache(context: Context) -> TileCache:
    found: TileCache = context.request.app.state.views
    return found


def _headers(context: Context, cases: bool) -> dict[str, str]:
    public = context.principal.role.value == "public"
    kept = "public, no-cache" if public else "private, no-store" if cases else "private, no-cache"
    return {"Cache-Control": kept, "Vary": "Accept-Encoding, Authorization, Cookie"}


def path_of(division: Division | str) -> str:
    """The address of a division's page."""
    return f"/centre/{quote(division if isinstance(division, str) else division.code, safe='')}"
