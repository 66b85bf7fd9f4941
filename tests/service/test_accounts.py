"""Who comes in: keys, JWTs, sessions; what is kept of a secret, and how a door is closed again."""

from __future__ import annotations

import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import text

from service import db
from service.access import PUBLIC, Principal, Role
from service.faults import NotAllowedInError
from service.identity.accounts import COOKIE, Accounts, csrf_of, make_key
from service.identity.oidc import Issuer
from service.operating import OperatingError
from service.settings import Settings
from service.store.accounts import add_key, digest, list_keys, read_session, revoke_key
from service.web.doors import check_door

from .api import Served

pytestmark = pytest.mark.database

ISSUER = "https://sso.example.cn/realms/city"
CASES = "/collections/cases/items?limit=1"


def issue(database: db.Database, principal: Principal, *, days: float = 1) -> tuple[str, int]:
    secret, hint = make_key()
    with database.owner.begin() as connection:
        number = add_key(
            connection,
            secret,
            principal,
            hint=hint,
            name="a test",
            issued_by="tests",
            expires_at=datetime.now(UTC) + timedelta(days=days),
        )
    return secret, number


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def sees_exact_places(answer: httpx.Response) -> bool:
    return "grid" in answer.json()["features"][0]["properties"]


def test_a_key_lets_in_until_it_is_revoked(served: Served) -> None:
    secret, number = issue(served.database, Principal(Role.CENTRE, subject="hall"))
    client = served.client()
    assert sees_exact_places(client.get(CASES, headers=bearer(secret)))
    assert client.get("/session", headers=bearer(secret)).json() == {
        "role": "centre",
        "scope": [""],
        "grids": [],
        "subject": "hall",
    }
    with served.database.owner.begin() as connection:
        [key] = [key for key in list_keys(connection) if key.number == number]
        assert key.used_at is not None
        revoke_key(connection, number)
    answer = client.get(CASES, headers=bearer(secret))
    assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "authorization", ["Bearer wg_nothing", "Bearer", "Basic eDp5", "wg_x", "Bearer a.b.c", "Bearer x y"]
)
def test_a_bad_token_is_never_the_public(served: Served, authorization: str) -> None:
    answer = served.client().get("/", headers={"authorization": authorization})
    assert answer.status_code == 401


def test_an_expired_key_lets_nobody_in(served: Served) -> None:
    secret, _ = issue(served.database, Principal(Role.CENTRE), days=-0.001)
    assert served.client().get("/", headers=bearer(secret)).status_code == 401


def test_no_secret_is_kept(served: Served) -> None:
    secret, _ = issue(served.database, Principal(Role.CONSUMER))
    link = served.accounts.invite(Principal(Role.CENTRE))
    cookie = served.accounts.redeem(link)
    assert cookie is not None
    for table in ("api_keys", "login_links", "sessions"):
        kept = " ".join(str(row) for row in served.rows(f"select t::text from {table} t"))  # noqa: S608
        for kind in (secret, link, cookie):
            assert kind not in kept


def test_an_ended_or_old_session_is_the_public(served: Served) -> None:
    accounts = served.accounts
    cookie = accounts.redeem(accounts.invite(Principal(Role.CENTRE, ("33",), subject="x")))
    assert accounts.session(cookie) == Principal(Role.CENTRE, ("33",), subject="x")
    assert accounts.session("forged") == accounts.session("") == accounts.session(None) == PUBLIC
    with served.database.owner.begin() as connection:
        connection.execute(text("update sessions set expires_at = now() - interval '1 second'"))
    assert read_session(served.database.app, str(cookie)) is None
    assert accounts.session(cookie) == PUBLIC
    other = accounts.redeem(accounts.invite(Principal(Role.CENTRE)))
    accounts.end(other)
    assert accounts.session(other) == PUBLIC
    assert accounts.redeem(accounts.invite(Principal(Role.CENTRE), valid=timedelta(seconds=-1))) is None


def test_a_key_typed_into_the_page_begins_a_session(served: Served) -> None:
    secret, _ = issue(served.database, Principal(Role.CENTRE))
    client = served.client()
    assert 'name="key"' in client.get("/login", headers={"accept": "text/html"}).text
    refused = client.post("/login", data={"key": "wg_wrong"})
    assert refused.status_code == 401
    answer = client.post("/login", data={"key": secret})
    assert answer.status_code == 303
    assert secret not in answer.headers["set-cookie"]
    assert sees_exact_places(client.get(CASES))


def test_a_session_ends_with_the_key_that_began_it(served: Served) -> None:
    """Revoked, or come to its end before its time: neither the key nor what it opened lets anybody in."""
    told = []
    for statement in (
        "update api_keys set revoked_at = now() where id = :n",
        "update api_keys set expires_at = now() where id = :n",
    ):
        secret, number = issue(served.database, Principal(Role.PLANNER, subject="who leaves"))
        client, apart = served.client(), served.client()
        for one in (client, apart):
            assert one.post("/login", data={"key": secret}).status_code == 303
        other, _ = issue(served.database, Principal(Role.PLANNER, subject="who leaves"))
        assert apart.get("/session").json()["role"] == "planner"
        staying = served.client()
        assert staying.post("/login", data={"key": other}).status_code == 303
        with served.database.owner.begin() as connection:
            connection.execute(text(statement), {"n": number})
        told += [one.get("/session").json()["role"] for one in (client, apart, staying)]
    assert told == ["public", "public", "planner"] * 2


def test_a_session_lasts_no_longer_than_what_began_it(served: Served, issuer: Issuer, signing: Any) -> None:
    now = datetime.now(UTC)
    accounts = Accounts(served.database.app, issuer)
    secret, _ = issue(served.database, Principal(Role.PLANNER), days=1 / 24)
    long, _ = issue(served.database, Principal(Role.PLANNER), days=30)
    cookies = [
        accounts.trade(secret),
        accounts.trade(token(signing)),
        accounts.trade(token(signing, exp=10**15)),
        accounts.trade(long),
    ]
    kept = {
        bytes(row.digest): (row.expires_at - now) / timedelta(minutes=1)
        for row in served.rows("select digest, expires_at from sessions where begun_at >= :now", now=now)
    }
    assert [round(kept[digest(cookie)]) for cookie in cookies] == [60, pytest.approx(5, abs=1), 720, 720]
    assert accounts.session(cookies[1]).subject == "li"


def test_the_token_against_forged_forms_is_never_in_an_address(served: Served) -> None:
    """Proxies log addresses; a form brings the token in its body."""
    client = served.client(Role.CENTRE)
    brought = client.headers.pop("x-csrf-token")
    for path in ("/", "/login", "/collections"):
        page = client.get(path, headers={"accept": "text/html"}).text
        assert f'<input type="hidden" name="csrf" value="{brought}">' in page
        assert not re.search(r'(href|action)="[^"]*csrf', page)
    assert client.post(f"/logout?csrf={brought}").status_code == 403
    assert client.post("/logout", data={"csrf": "wrong"}).status_code == 403
    secret, _ = issue(served.database, Principal(Role.PLANNER, subject="next"))
    assert client.post("/login", data={"key": secret}).status_code == 403
    assert client.post("/login", data={"key": secret, "csrf": brought}).status_code == 303
    again = csrf_of(client.cookies[COOKIE])
    assert client.get("/session").json()["role"] == "planner"
    assert client.post("/logout", data={"csrf": again}).status_code == 303
    assert client.get("/session").json()["role"] == "public"


def test_a_change_with_a_cookie_needs_the_sessions_token(served: Served) -> None:
    mine, other = served.client(Role.CENTRE), served.client(Role.CENTRE)
    foreign = other.headers["x-csrf-token"]
    cookie = {"cookie": f"{COOKIE}={mine.cookies[COOKIE]}"}
    for brought in ({}, {"x-csrf-token": ""}, {"x-csrf-token": "é".encode()}, {"x-csrf-token": foreign}):
        answer = served.client().post("/logout", headers={**cookie, **brought})
        assert answer.status_code == 403, brought
    assert sees_exact_places(mine.get(CASES))
    assert mine.post("/logout").status_code == 303
    assert not sees_exact_places(mine.get(CASES))


def test_a_server_that_knows_the_apps_role_only_finds_its_keys(scratch: db.Database) -> None:
    alone = db.Database(scratch.app, scratch.app)
    settings = Settings(_env_file=None)
    check_door(alone, settings, "127.0.0.1")
    with pytest.raises(OperatingError, match="wangge token create"):
        check_door(alone, settings, "192.0.2.1")
    issue(scratch, Principal(Role.CONSUMER), days=-1)
    with pytest.raises(OperatingError):
        check_door(alone, settings, "192.0.2.1")
    issue(scratch, Principal(Role.CONSUMER))
    check_door(alone, settings, "192.0.2.1")


# --- JWTs ---


@pytest.fixture(scope="module")
def signing() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def issuer(signing: Any, tmp_path: Path) -> Issuer:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(signing.public_key()))
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}))
    return Issuer(ISSUER, "wangge", str(file))


def token(signing: Any, algorithm: str = "RS256", kid: str = "one", **claims: Any) -> str:
    said = {
        "iss": ISSUER,
        "aud": "wangge",
        "sub": "li",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "wangge_role": "planner",
        "wangge_scope": ["330106"],
    }
    kept = {name: value for name, value in (said | claims).items() if value is not None}
    return jwt.encode(kept, signing, algorithm, headers={"kid": kid})


def signed_with(secret: str, good: str) -> str:
    """The claims of a good token, signed as if the issuer's public key were a shared secret."""
    head = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"one","typ":"JWT"}').decode()
    body = f"{head}.{good.split('.')[1]}"
    made = hmac.new(secret.encode(), body.encode(), "sha256").digest()
    return f"{body}.{jwt.utils.base64url_encode(made).decode()}"


def test_a_jwt_says_role_scope_and_grids(issuer: Issuer, signing: Any) -> None:
    assert issuer.principal(token(signing)) == Principal(Role.PLANNER, ("330106",), subject="li")
    worker = token(signing, wangge_role="grid_worker", wangge_scope="33, 34", wangge_grids=["001"])
    assert issuer.principal(worker) == Principal(Role.GRID_WORKER, ("33", "34"), frozenset({"001"}), "li")
    nowhere = token(signing, wangge_scope=None)
    assert issuer.principal(nowhere).scope == ()


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": datetime(2020, 1, 1, tzinfo=UTC)}, "token-expired"),
        ({"exp": None}, "token-invalid"),
        ({"aud": "other"}, "token-invalid"),
        ({"iss": "https://evil.example"}, "token-invalid"),
        ({"nbf": datetime(2999, 1, 1, tzinfo=UTC)}, "token-invalid"),
        ({"wangge_role": "root"}, "token-role"),
        ({"wangge_role": None}, "token-role"),
        ({"wangge_role": ["centre"]}, "token-role"),
    ],
)
def test_a_jwt_with_a_wrong_claim_is_refused(
    issuer: Issuer, signing: Any, claims: dict[str, Any], code: str
) -> None:
    with pytest.raises(NotAllowedInError) as refused:
        issuer.principal(token(signing, **claims))
    assert refused.value.key == code


def test_a_jwt_signed_by_others_or_by_nobody_is_refused(issuer: Issuer, signing: Any) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = Path(issuer.jwks).read_text()
    forged = [
        token(stranger),
        token(stranger, kid="two"),
        jwt.encode({"iss": ISSUER, "aud": "wangge", "wangge_role": "centre"}, None, "none"),
        signed_with(public, token(signing)),
        token(signing)[:-3] + "AAA",
    ]
    for one in forged:
        with pytest.raises(NotAllowedInError):
            issuer.principal(one)


def test_keys_known_hold_for_a_day_while_the_issuer_is_away(issuer: Issuer, signing: Any) -> None:
    now = 1000.0
    away = Issuer(ISSUER, "wangge", issuer.jwks, clock=lambda: now)
    place = Path(issuer.jwks)
    keys = place.read_text()
    place.unlink()
    with pytest.raises(OperatingError):
        away.principal(token(signing))
    place.write_text(keys)
    with pytest.raises(OperatingError):  # not asked again at once
        away.principal(token(signing))
    now += 61
    good = token(signing, exp=datetime(2999, 1, 1, tzinfo=UTC))
    assert away.principal(good).subject == "li"
    place.unlink()
    now += 23 * 3600
    assert away.principal(good).subject == "li"
    now += 2 * 3600
    with pytest.raises(OperatingError):
        away.principal(good)


def test_new_keys_of_the_issuer_are_asked_for_once_a_minute(issuer: Issuer, signing: Any) -> None:
    now = 1000.0
    changing = Issuer(ISSUER, "wangge", issuer.jwks, clock=lambda: now)
    assert changing.principal(token(signing)).subject == "li"
    fresh = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(fresh.public_key()))
    Path(issuer.jwks).write_text(json.dumps({"keys": [{**public, "kid": "two", "alg": "RS256"}]}))
    with pytest.raises(NotAllowedInError):
        changing.principal(token(fresh, kid="two"))
    now += 61
    assert changing.principal(token(fresh, kid="two")).subject == "li"
    with pytest.raises(NotAllowedInError):
        changing.principal(token(signing))


def test_a_jwt_opens_the_service(served: Served, issuer: Issuer, signing: Any) -> None:
    accounts = Accounts(served.database.app, issuer)
    assert accounts.bearer(token(signing)).role is Role.PLANNER
    with pytest.raises(NotAllowedInError):
        accounts.bearer("wg_a.b.c")
