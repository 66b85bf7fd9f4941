"""Who asks: an API key or a JWT as bearer token, else a browser's session, else the public.

A session begins with a one-time link or with a key typed into the login page. Its cookie is a secret; the
token against forged forms is made from it, so that nothing else need be kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from service import db
from service.access import PUBLIC, Principal
from service.faults import ForgedError, NotAllowedInError
from service.store import accounts
from service.store.accounts import Admission

if TYPE_CHECKING:
    from service.identity.oidc import Issuer

COOKIE = "wangge_session"
KEY_PREFIX = "wg_"
HINT_LENGTH = 9
SESSION = timedelta(hours=12)
LINK = timedelta(minutes=30)
GATE = accounts.GATE


class Accounts:
    """The door of one service: `engine` is the app's, `issuer` checks JWTs if one is configured."""

    def __init__(self, engine: Engine, issuer: Issuer | None = None) -> None:
        self.engine = engine
        self.issuer = issuer

    def invite(self, principal: Principal, *, valid: timedelta = LINK) -> str:
        """A token that lets one browser in as `principal`, once."""
        token = secrets.token_urlsafe(32)
        with self._gate() as connection:
            accounts.add_link(connection, token, principal, _now() + valid)
        return token

    def redeem(self, token: str) -> str | None:
        """The cookie that a link's token buys; None if it is unknown, spent or too old."""
        with self._gate() as connection:
            principal = accounts.spend_link(connection, token)
            return None if principal is None else _begin(connection, Admission(principal, _now() + SESSION))

    def trade(self, secret: str) -> str:
        """The cookie that an API key or a JWT buys, good no longer than these. Raises NotAllowedInError."""
        admission = self._admit(secret)
        with self._gate() as connection:
            return _begin(connection, admission)

    def bearer(self, secret: str) -> Principal:
        """Who a bearer token stands for. Raises NotAllowedInError if for nobody."""
        return self._admit(secret).principal

    def _admit(self, secret: str) -> Admission:
        if self.issuer is not None and secret.count(".") == 2:
            return Admission(*self.issuer.admit(secret))
        found = accounts.read_key(self.engine, secret)
        if found is None:
            raise NotAllowedInError("token-invalid")
        return found

    def session(self, cookie: str | None) -> Principal:
        """Whose session the cookie is; the public if it is none, or an ended or old one."""
        if not cookie:
            return PUBLIC
        return accounts.read_session(self.engine, cookie) or PUBLIC

    def end(self, cookie: str | None) -> None:
        """Let the cookie, and every copy of it, be worth nothing from now on."""
        if cookie:
            with self._gate() as connection:
                accounts.end_session(connection, cookie)

    def _gate(self) -> AbstractContextManager[Connection]:
        return db.transaction(self.engine, role=GATE, scope=[db.EVERYWHERE])


def csrf_of(cookie: str) -> str:
    """The token that a form of this session must bring back."""
    made = hmac.new(cookie.encode("utf-8", "surrogatepass"), b"wangge form", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def check_csrf(cookie: str, brought: str | None) -> None:
    """Raise ForgedError unless `brought` is the session's token."""
    if brought is None or not hmac.compare_digest(csrf_of(cookie).encode(), brought.encode()):
        raise ForgedError("csrf")


def make_key() -> tuple[str, str]:
    """A new API key, and how it begins."""
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    return secret, secret[:HINT_LENGTH]


def _begin(connection: Connection, admission: Admission) -> str:
    cookie, until = secrets.token_urlsafe(32), min(admission.until, _now() + SESSION)
    accounts.add_session(connection, cookie, admission.principal, until, admission.key)
    return cookie


def _now() -> datetime:
    return datetime.now(UTC)
