"""What a route works with: who asks, in which language, and one transaction of the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Request
from sqlalchemy import Connection

from partition.texts import Language
from service.access import Access, Principal, access
from service.db import Database
from service.faults import MalformedError, UnknownError
from service.languages import language_of, wants_html
from service.mapping import introduce, one_state
from service.registry import COLLECTIONS, Collection
from service.sessions import COOKIE, Sessions


@dataclass(frozen=True)
class Context:
    """One request."""

    request: Request
    principal: Principal
    database: Database
    sessions: Sessions
    lang: Language
    html: bool

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The request's transaction, read only, in which the row policies know the principal."""
        with self.database.app.connect().execution_options(postgresql_readonly=True) as connection:
            introduce(connection, self.principal)
            yield connection

    @contextmanager
    def recording(self) -> Iterator[Connection]:
        """The request's transaction where a view goes on record: it sees one state, and is committed."""
        with one_state(self.database.app) as connection:
            introduce(connection, self.principal)
            yield connection

    @property
    def base(self) -> str:
        """The service's address as the client wrote it, without a slash at its end."""
        return str(self.request.base_url).rstrip("/")

    def href(self, path: str, **query: object) -> str:
        """An absolute address in the service."""
        asked = {name: value for name, value in query.items() if value is not None}
        return f"{self.base}{path}" + (f"?{urlencode(asked)}" if asked else "")


def find_context(request: Request) -> Context:
    """The context of `request`. MalformedError: a repeated parameter; UnknownError: no such address."""
    if "\x00" in request.scope["path"]:  # a character that no text in the database has
        raise UnknownError("no-page", path=request.scope["path"][:60].replace("\x00", "%00"))
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if names.count(name) > 1:
            raise MalformedError("parameter-repeated", name=name)
    sessions: Sessions = request.app.state.sessions
    return Context(
        request,
        sessions.principal(request.cookies.get(COOKIE)),
        request.app.state.database,
        sessions,
        language_of(request),
        wants_html(request),
    )


InContext = Annotated[Context, Depends(find_context)]


def find_collection(context: Context, name: str) -> tuple[Collection, Access]:
    """A collection and what the principal may see of it. Raises UnknownError if it may not know of it."""
    collection = COLLECTIONS.get(name)
    allowed = access(context.principal, collection) if collection else None
    if collection is None or allowed is None:
        raise UnknownError("collection", name=name)
    return collection, allowed
