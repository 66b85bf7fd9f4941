"""Cursors and tags tell nothing of keys of rows, fit what they were made for only, and cannot be forged."""

from __future__ import annotations

import base64
import struct
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from service import db
from service.access import Role
from service.privacy.seals import OVERHEAD, Seals
from service.store.seals import seals_of

from .api import Served

SEALS = Seals(b"a secret", "1")


@given(st.binary(max_size=60), st.binary(max_size=60), st.text(max_size=10))
def test_what_was_sealed_is_opened_for_the_same_purpose_only(one: bytes, other: bytes, about: str) -> None:
    sealed = SEALS.seal("cursor", one, about)
    assert SEALS.open("cursor", sealed, about) == one
    assert SEALS.seal("cursor", one, about) == sealed
    assert (SEALS.seal("cursor", other, about) == sealed) == (one == other)
    assert SEALS.open("event", sealed, about) is None
    assert SEALS.open("cursor", sealed, about, "more") is None
    assert Seals(b"another").open("cursor", sealed, about) is None
    assert Seals(b"a secret", "2").open("cursor", sealed, about) == one  # restored from a backup


@given(st.binary(min_size=8, max_size=30), st.data())
def test_a_changed_text_opens_nothing(content: bytes, data: st.DataObject) -> None:
    sealed = SEALS.seal("cursor", content)
    place = data.draw(st.integers(0, len(sealed) - 1))
    letter = data.draw(st.sampled_from("ABCxyz019-_"))
    changed = sealed[:place] + letter + sealed[place + 1 :]
    assert SEALS.open("cursor", changed) == (content if changed == sealed else None)
    for wrong in ("", sealed[:-1], sealed + "A", sealed + "=", f" {sealed}", "%", "字" * 40, "A" * 5):
        assert SEALS.open("cursor", wrong) is None


def test_keys_are_not_read_out_of_what_is_sealed() -> None:
    sealed = [SEALS.seal("row", struct.pack(">q", row)) for row in (1, 2, 3, 10**9, 10**15)]
    assert len({len(one) for one in sealed}) == 1
    assert len(base64.urlsafe_b64decode(sealed[0])) == 8 + OVERHEAD
    raw = [base64.urlsafe_b64decode(one) for one in sealed]
    for one, other in pairwise(raw):
        same = sum(a == b for a, b in zip(one, other, strict=True))
        assert same < 6  # of 24 bytes; chance makes one in 256 equal
    assert SEALS.mark != Seals(b"a secret", "2").mark != Seals(b"another", "2").mark


def test_another_database_behind_new_connections_has_other_seals(scratch: db.Database) -> None:
    first = seals_of(scratch.app)
    assert seals_of(scratch.app) is first
    with scratch.owner.begin() as connection:
        connection.execute(text("update secrets set bits = 'another' where name = 'noise'"))
    assert seals_of(scratch.app) is first
    scratch.app.dispose()  # as after a restore: the connections are gone
    with scratch.app.connect() as connection:
        connection.execute(text("select 1"))
    second = seals_of(scratch.app)
    assert second.mark != first.mark
    assert seals_of(scratch.app).mark == second.mark


def following(client: httpx.Client, path: str, **asked: Any) -> httpx.URL:
    """The link to the next page."""
    answer = client.get(path, params=asked)
    assert answer.status_code == 200, answer.text
    return httpx.URL(next(link["href"] for link in answer.json()["links"] if link["rel"] == "next"))


@pytest.mark.database
@pytest.mark.parametrize("role", [Role.PUBLIC, Role.GRID_WORKER, Role.CENTRE])
def test_cursors_of_pages_have_one_length_and_fit_their_own_collection(served: Served, role: Role) -> None:
    client = served.client(role)
    cases = "/collections/cases/items"
    cursors = {following(client, cases, limit=limit).params["cursor"] for limit in range(1, 60, 6)}
    assert len(cursors) == 10
    assert {len(one) for one in cursors} == {32}
    assert following(client, cases, limit=7) == following(client, cases, limit=7)
    address = following(client, cases, limit=7)
    cursor = address.params["cursor"]
    told = client.get(address).json()
    assert len(told["features"]) == 7
    swapped = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for wrong in ("7", "x", swapped, cursor[:-4], SEALS.seal("cursor", struct.pack(">q", 7), "cases", "")):
        answer = client.get(address.copy_set_param("cursor", wrong))
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor")
    for other in (f"/collections/buildings/items?cursor={cursor}", f"{cases}?cursor={cursor}&sortby=status"):
        answer = client.get(other)
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor")


@pytest.mark.database
def test_pages_of_every_order_lead_through_all_rows_once(served: Served) -> None:
    client = served.client(Role.CENTRE)
    for order in ("", "-time", "category,-case_id", "due", "-tier,status"):
        asked: dict[str, Any] = {"limit": 50, **({"sortby": order} if order else {})}
        address: httpx.URL | None = httpx.URL("/collections/cases/items").copy_merge_params(asked)
        seen: list[str] = []
        while address is not None:
            body = client.get(address).json()
            seen += [feature["id"] for feature in body["features"]]
            more = [link["href"] for link in body["links"] if link["rel"] == "next"]
            address = httpx.URL(more[0]) if more else None
        assert (
            len(seen)
            == len(set(seen))
            == client.get("/collections/cases/items", params={"count": "true", "limit": 1}).json()[
                "numberMatched"
            ]
        )


@pytest.mark.database
def test_tags_and_tiles_of_cases_hold_no_numbers_of_rows(served: Served) -> None:
    import mapbox_vector_tile

    (grid,) = {one for (one,) in served.rows("select min(grid_code) from cases")}
    [(key, row, version, west, north)] = served.rows(
        """select division_code || ':' || case_id, id, version, st_x(geom), st_y(geom) from cases
           where grid_code = :grid and place is not null order by id limit 1""",
        grid=grid,
    )
    worker = served.client(Role.GRID_WORKER, grids=frozenset({grid}))
    tag = worker.get(f"/collections/cases/items/{key}").headers["etag"]
    assert str(row) not in tag.split("-")
    seals = seals_of(served.database.app)
    assert seals.open("row", tag[1:44], seals.mark) == struct.pack(">qq", row, version)
    level = 14
    from morecantile import tms

    tile = tms.get("WebMercatorQuad").tile(west, north, level)
    path = f"/collections/cases/tiles/WebMercatorQuad/{level}/{tile.y}/{tile.x}"
    # numbers in tiles are made of the features' own ids, for all roles the same
    rows = {one for (one,) in served.rows("select id from cases")}
    numbers: dict[str, int] = {}
    for client in (served.client(Role.CENTRE), worker, served.client()):
        layer = mapbox_vector_tile.decode(client.get(path).content)["cases"]
        own = {feature["properties"]["id"]: feature["id"] for feature in layer["features"]}
        assert len(own) > 10
        assert all(":" in one for one in own)
        numbers = numbers or own
        both = own.keys() & numbers.keys()  # a place may lie in another tile than the point
        assert len(both) > 10
        assert all(own[one] == numbers[one] for one in both)
    assert len(set(numbers.values())) == len(numbers)
    assert all(0 <= number < 2**53 for number in numbers.values())
    assert not rows & set(numbers.values())
