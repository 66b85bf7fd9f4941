"""Each collection says where its data come from and under which licence, and never what nobody stated."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import text

from data.origin import LICENCE, SOURCE
from service.access import Role
from service.registry import COLLECTIONS

from .api import HIDDEN, Served
from .towns import CODE

pytestmark = pytest.mark.database

NONE_STATED = "The operator states no licence"


def name_source(served: Served, division: str, source: str, *, synthetic: bool = True) -> None:
    with served.database.owner.begin() as connection:
        connection.execute(
            text("update divisions set attribution = :source, synthetic = :synthetic where code = :code"),
            {"source": source, "synthetic": synthetic, "code": division},
        )


@pytest.fixture(autouse=True)
def _as_they_were(served: Served) -> Iterator[None]:
    yield
    for division in (CODE, HIDDEN):
        name_source(served, division, "")
    served.app.state.licence = ""


def told(client: httpx.Client, lang: str = "en") -> dict[str, tuple[str, str, str]]:
    """Attribution, licence and rights of each built-in collection; its tiles say the same."""
    found = {}
    for one in client.get("/collections", params={"lang": lang}).json()["collections"]:
        found[one["id"]] = (one["attribution"], one["license"], one.get("rights", ""))
        if one["id"] in COLLECTIONS:
            path = f"/collections/{one['id']}/tiles/WebMercatorQuad?lang={lang}"
            tiles = client.get(path).json()
            assert (tiles["attribution"], tiles["license"], tiles.get("rights", "")) == found[one["id"]]
            assert client.get(f"{path}&f=tilejson").json()["attribution"] == tiles["attribution"]
    return {name: found[name] for name in COLLECTIONS}


def test_that_nobody_stated_a_licence_is_said_in_words(served: Served) -> None:
    client = served.client()
    for attribution, licence, rights in told(client).values():
        assert attribution == "source not stated by the operator"
        assert licence == "NOASSERTION"
        assert rights.startswith(NONE_STATED)
    for attribution, licence, rights in told(client, "zh").values():
        assert attribution == "运营方未注明数据来源"
        assert licence == "NOASSERTION"
        assert rights.startswith("运营方未声明使用许可")
    shown = client.get("/collections/grids", params={"f": "html", "lang": "en"}).text
    assert NONE_STATED in shown
    assert "NOASSERTION" not in shown


def test_the_samples_licence_holds_only_where_all_that_is_seen_is_the_sample(served: Served) -> None:
    name_source(served, CODE, SOURCE)
    public, planner = served.client(), served.client(Role.PLANNER)
    assert set(told(public).values()) == {(SOURCE, LICENCE, "")}
    seen = told(planner)  # who sees the other town too, of which nobody said anything
    attribution, licence, rights = seen["buildings"]
    assert attribution == f"{SOURCE}; source of the other communities not stated"
    assert licence == "NOASSERTION"
    assert f"under {LICENCE}. For all others the operator states no licence" in rights
    assert seen["cases"] == (SOURCE, LICENCE, "")  # there are none in the other town
    name_source(served, HIDDEN, "市规划院", synthetic=False)
    assert told(planner)["buildings"][:2] == (f"{SOURCE}; 市规划院", "NOASSERTION")
    # the sample's source alone is a text that anybody can write
    name_source(served, CODE, SOURCE, synthetic=False)
    assert {licence for _, licence, _ in told(public).values()} == {"NOASSERTION"}


def test_the_operators_licence_is_that_of_all_built_in_collections(served: Served) -> None:
    name_source(served, CODE, SOURCE)
    name_source(served, HIDDEN, "市规划院", synthetic=False)
    served.app.state.licence = "https://example.org/terms"
    planner = served.client(Role.PLANNER)
    assert {one[1:] for one in told(planner).values()} == {("https://example.org/terms", "")}
    links = planner.get("/collections/grids").json()["links"]
    assert [one["href"] for one in links if one["rel"] == "license"] == ["https://example.org/terms"]


def test_tiles_of_all_collections_state_what_holds_for_all(served: Served) -> None:
    name_source(served, CODE, SOURCE)
    assert served.client().get("/tiles/WebMercatorQuad").json()["license"] == LICENCE
    tiles = served.client(Role.PLANNER).get("/tiles/WebMercatorQuad", params={"lang": "en"}).json()
    assert (tiles["license"], tiles["rights"]) == (
        "NOASSERTION",
        "Licences differ from collection to collection; each states its own.",
    )
