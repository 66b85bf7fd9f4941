"""What a route works with: who asks, in which language, and one transaction of the database."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Form, Request
from sqlalchemy import Connection, Engine

from partition.texts import Language
from service.access import PUBLIC, Access, Principal, Role, access
from service.db import Database
from service.faults import MalformedError, NotAllowedInError, RateError, UnknownError
from service.identity.accounts import COOKIE, Accounts, check_csrf
from service.maps.community import introduce, one_state
from service.privacy.seals import Seals
from service.registry import Collection
from service.store.catalogue import Catalogues
from service.store.seals import seals_of
from service.upkeep.limits import Limits, address_of, holder_of, key_of
from service.web.address import find_address
from service.web.languages import language_of, wants_html

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Context:
    """One request."""

    request: Request
    principal: Principal
    database: Database
    accounts: Accounts
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

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The request's transaction, committed at its end, in which the row policies know the principal."""
        with self.database.app.begin() as connection:
            introduce(connection, self.principal)
            yield connection

    @property
    def catalogues(self) -> Catalogues:
        """What is known of the collections."""
        found: Catalogues = self.request.app.state.catalogues
        return found

    @property
    def engine(self) -> Engine:
        """Where single statements read (`service.store.reading`)."""
        return self.database.app

    @property
    def holder(self) -> str:
        """Who asks, whichever of their keys or sessions they bring."""
        secret = bearer_of(self.request) or self.request.cookies.get(COOKIE, "")
        return _holder(self.principal, secret)

    @property
    def client(self) -> str:
        """For whom places count: who asks, or, of those not logged in, the address that they ask from."""
        return client_of(self.request) if self.principal.role is Role.PUBLIC else self.holder

    @property
    def seals(self) -> Seals:
        """What seals keys of rows, which count hidden ones too."""
        return seals_of(self.database.app)

    @property
    def base(self) -> str:
        """The service's address as the client wrote it, without a slash at its end."""
        return find_address(self.request.scope).base

    @property
    def asked(self) -> tuple[str, str]:
        """What was asked for after the service's address: the path, decoded, and the query as it came."""
        scope = self.request.scope
        return scope["path"], scope["query_string"].decode("latin-1")

    def href(self, path: str, **query: object) -> str:
        """An absolute address in the service."""
        asked = {name: value for name, value in query.items() if value is not None}
        return f"{self.base}{path}" + (f"?{urlencode(asked)}" if asked else "")

    def inside(self, href: str) -> str:
        """An address in the service as pages write it: without the host."""
        return href.removeprefix(self.base) or "/"


def find_context(request: Request, repeatable: Container[str] = (), csrf: str = "") -> Context:
    """The context of `request`. MalformedError: a repeated parameter; UnknownError: no such address.

    repeatable: names of parameters that may be given several times. csrf: the session's token that a form
    brought, where the request brings none in its header.
    """
    if "\x00" in request.scope["path"]:  # a character that no text in the database has
        raise UnknownError("no-page", path=request.scope["path"][:60].replace("\x00", "%00"))
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if names.count(name) > 1 and name not in repeatable:
            raise MalformedError("parameter-repeated", name=name)
    accounts: Accounts = request.app.state.accounts
    return Context(
        request,
        _let_in(request, accounts, csrf),
        request.app.state.database,
        accounts,
        language_of(request),
        wants_html(request),
    )


def _let_in(request: Request, accounts: Accounts, csrf: str) -> Principal:
    """Who asks, if they may ask now. RateError: too often; else as `_who`."""
    limits: Limits = request.app.state.limits
    address = client_of(request)
    token = bearer_of(request)
    secret = request.cookies.get(COOKIE, "") if token is None else token
    key = key_of(secret)
    # a browser brings the cookie of an ended session with every request: it is looked up, and counts, once
    stale = token is None and limits.is_wrong(key)
    if secret and not stale and (after := limits.try_key(key, address)):
        raise RateError("rate-keys", after)
    try:
        principal = PUBLIC if stale else _who(request, accounts, token, csrf)
    except NotAllowedInError:
        limits.note_wrong(key, address)
        raise
    if token is not None or principal is not PUBLIC:
        limits.note_good(key)
    elif secret and not stale:
        limits.note_wrong(key, address)
    # whoever is nobody in particular shares the share of their address, whatever cookie they bring
    public = principal.role is Role.PUBLIC
    if after := limits.ask(address if public else _holder(principal, secret)):
        raise RateError("rate", after)
    return principal


def _holder(principal: Principal, secret: str) -> str:
    return holder_of(principal.holder, principal.role, principal.subject, secret)


def client_of(request: Request) -> str:
    """The address that a request came from, as limits count it."""
    return address_of(request.client.host if request.client else None)


def bearer_of(request: Request) -> str | None:
    """The bearer token of the request. NotAllowedInError: another way to authenticate."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        return None
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise NotAllowedInError("token-invalid")
    return secret.strip()


def _who(request: Request, accounts: Accounts, token: str | None, csrf: str) -> Principal:
    """Who asks. NotAllowedInError: a bad token; ForgedError: a change without the session's token."""
    if token is not None:
        return accounts.bearer(token)
    cookie = request.cookies.get(COOKIE)
    principal = accounts.session(cookie)
    if cookie and principal.role is not Role.PUBLIC and request.method not in SAFE_METHODS:
        # never from the address, which proxies log and browsers keep
        check_csrf(cookie, request.headers.get("x-csrf-token") or csrf)
    return principal


def _context_of(request: Request) -> Context:
    return find_context(request)


InContext = Annotated[Context, Depends(_context_of)]


def _context_of_form(request: Request, csrf: Annotated[str, Form(max_length=200)] = "") -> Context:
    return find_context(request, csrf=csrf)


# of requests that forms of our pages send
InForm = Annotated[Context, Depends(_context_of_form)]


def find_collection(context: Context, name: str) -> tuple[Collection, Access]:
    """A collection and what the principal may see of it. Raises UnknownError if it may not know of it."""
    collection = context.catalogues.find(name)
    allowed = access(context.principal, collection) if collection else None
    if collection is None or allowed is None:
        raise UnknownError("collection", name=name)
    return collection, allowed
