"""JWTs of an OpenID Connect issuer as bearer tokens: checked with PyJWT against the issuer's keys."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.access import Principal, Role
from service.faults import NotAllowedInError
from service.operating import OperatingError

if TYPE_CHECKING:
    import jwt

    from service.settings import Settings

# signatures by the issuer's private key only: a shared secret would let every verifier sign
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
LEEWAY_S = 30
KEYS_KEPT_S = 3600
# keys known already are good for this long where the issuer cannot be reached
KEYS_HELD_S = 24 * 3600
# a token with an unknown key makes us look for new keys, and so does a failure, but not more often than this
KEYS_ASKED_S = 60
TIMEOUT_S = 5
MOST_BYTES = 1_000_000
LAST = datetime(9999, 1, 1, tzinfo=UTC)  # of the times that can be told


@dataclass(frozen=True)
class Claims:
    """Names of the claims that say who somebody is to us."""

    role: str = "wangge_role"
    scope: str = "wangge_scope"
    grids: str = "wangge_grids"


@dataclass
class Issuer:
    """Checks the tokens of one issuer. `jwks`: address or file of its keys; empty: as discovery says.

    `clock` (seconds) says how old the keys are.
    """

    issuer: str
    audience: str
    jwks: str = ""
    claims: Claims = field(default_factory=Claims)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._asked = self._known = float("-inf")
        self._failure: OperatingError | None = None

    @classmethod
    def of(cls, settings: Settings) -> Issuer | None:
        """The issuer of the settings, None if none is set."""
        if not settings.oidc_issuer:
            return None
        claims = Claims(settings.oidc_role_claim, settings.oidc_scope_claim, settings.oidc_grids_claim)
        return cls(settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks, claims)

    def principal(self, token: str) -> Principal:
        """Who the token says is asking. Raises NotAllowedInError if it is not good, with the reason."""
        return self.admit(token)[0]

    def admit(self, token: str) -> tuple[Principal, datetime]:
        """As `principal`, and until when the token is good."""
        import jwt

        try:
            head = jwt.get_unverified_header(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(str(head.get("kid", ""))),
                algorithms=list(ALGORITHMS),
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise NotAllowedInError("token-expired") from None
        except jwt.InvalidTokenError:
            raise NotAllowedInError("token-invalid") from None
        try:
            role = Role(claims.get(self.claims.role, ""))
        except ValueError:
            raise NotAllowedInError("token-role", claim=self.claims.role) from None
        subject = f"{claims['sub']}"
        principal = Principal(
            role,
            _texts(claims.get(self.claims.scope)),
            frozenset(_texts(claims.get(self.claims.grids))),
            subject,
            f"jwt {self.issuer} {subject}",
        )
        until = min(float(claims["exp"]) + LEEWAY_S, LAST.timestamp())
        return principal, datetime.fromtimestamp(until, UTC)

    def _key(self, kid: str) -> jwt.PyJWK:
        with self._lock:
            now = self.clock()
            age, since = now - self._known, now - self._asked
            if since > KEYS_ASKED_S and (age > KEYS_KEPT_S or kid not in self._keys):
                self._asked = now
                try:
                    self._keys, self._known, self._failure = self._fetch(), now, None
                except OperatingError as failure:
                    self._failure = failure
            if self._failure is not None and now - self._known > KEYS_HELD_S:
                raise self._failure
            key = self._keys.get(kid) or (next(iter(self._keys.values())) if len(self._keys) == 1 else None)
        if key is None:
            raise NotAllowedInError("token-invalid")
        return key

    def _fetch(self) -> Mapping[str, jwt.PyJWK]:
        import jwt

        try:
            place = (
                self.jwks
                or json.loads(_read(self.issuer.rstrip("/") + "/.well-known/openid-configuration"))[
                    "jwks_uri"
                ]
            )
            found = jwt.PyJWKSet.from_json(_read(place).decode("utf-8"))
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            raise OperatingError("oidc-keys", issuer=self.issuer, reason=type(error).__name__) from None
        return {key.key_id or "": key for key in found.keys}


def _read(place: str) -> bytes:
    if not place.startswith(("https://", "http://")):
        return Path(place).read_bytes()
    with urllib.request.urlopen(place, timeout=TIMEOUT_S) as answer:  # noqa: S310  # http(s), from the settings
        content: bytes = answer.read(MOST_BYTES)
        return content


def _texts(claim: object) -> tuple[str, ...]:
    if isinstance(claim, str):
        return tuple(part for part in claim.replace(",", " ").split())
    if isinstance(claim, list):
        return tuple(str(part) for part in claim)
    return ()
