"""Who asks: one-time login links that become a signed cookie. Both die with the process.

Accounts and tokens of other systems come later; until then a server listens on loopback only, and whoever
started it hands out the links it printed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from service.access import PUBLIC, Principal, Role

COOKIE = "wangge_session"
LIFETIME_S = 12 * 3600


class Sessions:
    """The links handed out by this process and the key of its cookies."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._invited: dict[bytes, Principal] = {}
        self._ended: set[str] = set()
        self._now = now

    def invite(self, principal: Principal) -> str:
        """A token that lets one browser in as `principal`, once."""
        token = secrets.token_urlsafe(32)
        self._invited[_digest(token)] = principal
        return token

    def redeem(self, token: str) -> str | None:
        """The cookie that `token` buys; None if it is unknown or spent."""
        principal = self._invited.pop(_digest(token), None)
        if principal is None:
            return None
        claims = {
            "role": principal.role.value,
            "scope": principal.scope,
            "grids": sorted(principal.grids),
            "subject": principal.subject,
            "until": int(self._now()) + LIFETIME_S,
            "session": secrets.token_urlsafe(9),
        }
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode())
        return f"{payload.decode()}.{self._sign(payload)}"

    def principal(self, cookie: str | None) -> Principal:
        """Who the cookie says is asking; the public if there is none, or a forged, old or ended one."""
        claims = self._claims(cookie)
        if claims is None or claims["until"] < self._now() or claims["session"] in self._ended:
            return PUBLIC
        return Principal(Role(claims["role"]), claims["scope"], frozenset(claims["grids"]), claims["subject"])

    def end(self, cookie: str | None) -> None:
        """Let the cookie, and every copy of it, be worth nothing from now on."""
        claims = self._claims(cookie)
        if claims is not None:
            self._ended.add(claims["session"])

    def _claims(self, cookie: str | None) -> dict[str, Any] | None:
        """What a cookie that this process signed says; None for any other."""
        payload, _, signature = (cookie or "").rpartition(".")
        try:
            if not payload or not hmac.compare_digest(self._sign(payload.encode()), signature):
                return None
            claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload))
        except (binascii.Error, UnicodeError, TypeError, ValueError):
            return None
        return claims

    def _sign(self, payload: bytes) -> str:
        return hmac.new(self._key, payload, hashlib.sha256).hexdigest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
