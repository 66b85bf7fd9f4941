"""What categories are called: known ones in both languages, a city's own, and never who sees them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from data.casebook import CATEGORIES
from service.access import Access, Principal, Role, access
from service.centre.summary import label_of
from service.maps.cards import recent_case
from service.operating import OperatingError
from service.privacy.disclosure import rules
from service.registry import COLLECTIONS
from service.vocabulary import fold, language_of, named_sql, read_vocabulary, vocabulary

CITY = """
[[categories]]
zh = "占用公共绿地"
en = "use of public green"
values = ["C17", "占绿"]

[[categories]]
zh = "路灯不亮（市政）"
en = "dark street lamp"
values = ["路灯损坏"]

[[categories]]
zh = "劝导"
en = "advice"
values = ["家庭劝导"]
"""


def built_in() -> list[Mapping[str, Any]]:
    told = tomllib.loads(files("service").joinpath("categories.toml").read_text(encoding="utf-8"))
    return list(told["categories"])


def ways(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return (entry["zh"], entry["en"], *entry.get("values", ()))


@pytest.fixture
def city(tmp_path: Path) -> Path:
    path = tmp_path / "categories.toml"
    path.write_text(CITY, encoding="utf-8")
    return path


def test_usual_categories_are_known_however_they_are_written() -> None:
    known = read_vocabulary()
    assert (
        known.label("street_light")
        == known.label(" Street-Light ")
        == {"zh": "路灯故障", "en": "street light"}
    )
    # who reads Chinese reads what was written
    assert known.label("路灯损坏") == {"zh": "路灯损坏", "en": "street light"}
    assert known.label("暴露垃圾")["en"] == "exposed rubbish"
    assert known.label("Exposed rubbish")["zh"] == "暴露垃圾"
    assert known.label("雨水箅子")["en"] == "drain grating"
    assert known.label("焚烧垃圾、树叶")["en"] == known.label("焚烧垃圾树叶")["en"]
    for category in CATEGORIES:  # of the sample community
        assert "written" not in known.label(category.name)


def test_no_way_of_writing_means_two_things() -> None:
    found: dict[str, str] = {}
    for entry in built_in():
        assert language_of(entry["zh"]) == "zh-CN"
        assert language_of(entry["en"]) == "en"
        for way in ways(entry):
            assert found.setdefault(fold(way), entry["zh"]) == entry["zh"], way


def test_no_name_says_more_than_the_category() -> None:
    """However a known category is written, it is withheld exactly if its names hold a sensitive word."""
    kinds = set()
    for entry in built_in():
        sensitive = {rules().sensitive(way) for way in ways(entry)}
        assert len(sensitive) == 1, entry
        kinds |= sensitive
    assert kinds == {True, False}


@pytest.mark.parametrize(
    ("category", "written"),
    [
        ("路灯坏得厉害", "zh-CN"),
        ("fallen_tree_2", "en"),
        ("C17", "en"),
        ("0417", "und"),
        ("ئوت", "und"),
        ("路灯 B", "zh-CN"),
        ("", "und"),
    ],
)
def test_what_is_not_known_is_shown_as_written_and_says_its_language(category: str, written: str) -> None:
    assert read_vocabulary().label(category) == {"zh": category, "en": category, "written": written}


def test_a_city_names_its_own(city: Path) -> None:
    known = read_vocabulary(city)
    for value in ("C17", "c17", "占绿", "占用公共绿地"):
        assert known.label(value) == {"zh": "占用公共绿地", "en": "use of public green"}
    # over the product's; what is not named stays
    assert known.label("路灯损坏")["en"] == "dark street lamp"
    assert known.label("street_light")["en"] == "street light"
    # a harmless name does not open what is withheld
    assert known.label("家庭劝导")["en"] == "advice"
    assert rules().sensitive("家庭劝导")
    assert known.label("advice")["written"] == "en"


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("[[categories]\n", "categories-file"),
        ("", "categories-form"),
        ("hours = 3\n[[categories]]\nzh = '一'\nen = 'one'\n", "categories-form"),
        ("categories = 3", "categories-form"),
        ("categories = [3]", "categories-entry"),
        ("[[categories]]\nzh = '一'\n", "categories-entry"),
        ("[[categories]]\nzh = '一'\nen = ''\n", "categories-entry"),
        ("[[categories]]\nzh = '一'\nen = 1\n", "categories-entry"),
        ("[[categories]]\nzh = '一'\nen = 'one'\nvalues = '壹'\n", "categories-entry"),
        ("[[categories]]\nzh = '一'\nen = 'one'\nvalues = [1]\n", "categories-entry"),
        ('[[categories]]\nzh = "一"\nen = "one\\u0000"\n', "categories-entry"),
        ("[[categories]]\nzh = '一'\nen = 'one'\nde = 'eins'\n", "categories-entry"),
        (f"[[categories]]\nzh = '一'\nen = '{'a' * 81}'\n", "categories-entry"),
        (
            "[[categories]]\nzh = '一'\nen = 'one'\nvalues = ['A1']\n"
            "[[categories]]\nzh = '二'\nen = 'two'\nvalues = ['a1']\n",
            "categories-twice",
        ),
        ("[[categories]]\nzh = '家庭暴力'\nen = 'violence'\nvalues = ['C18']\n", "categories-sensitive"),
        ("[[categories]]\nzh = '居家'\nen = 'family matters'\nvalues = ['C18']\n", "categories-sensitive"),
    ],
)
def test_a_file_at_fault_is_refused_in_a_sentence(tmp_path: Path, content: str, key: str) -> None:
    """Above all one by which everybody would see under a sensitive name what nobody thought to withhold."""
    path = tmp_path / "categories.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(OperatingError) as caught:
        read_vocabulary(path)
    assert caught.value.key == key
    for lang in ("zh", "en"):
        assert str(path) in caught.value.text(lang)
    with pytest.raises(OperatingError):
        read_vocabulary(tmp_path / "none.toml")


@pytest.fixture
def named(city: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The city's file in force in this process."""
    monkeypatch.setenv("WANGGE_CATEGORIES", str(city))
    for cache in (vocabulary, access):
        cache.cache_clear()
    yield
    for cache in (vocabulary, access):
        cache.cache_clear()


@pytest.mark.usefixtures("named")
def test_all_that_is_told_of_a_category_has_its_name() -> None:
    assert label_of("category", "C17", "zh") == "占用公共绿地"
    row = {"time": datetime(2026, 1, 1, tzinfo=UTC), "category": "c17", "status": "filed"}
    told = recent_case(row)
    assert (told["category_zh"], told["category_en"]) == ("占用公共绿地", "use of public green")
    assert label_of("case_status", "filed", "en") == "filed"


@pytest.mark.parametrize("role", list(Role))
def test_names_change_what_is_shown_and_nothing_of_who_sees_it(
    role: Role, city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are those of the words in the data, whatever a city calls them; tags are others."""

    def told() -> Access:
        vocabulary.cache_clear()
        access.cache_clear()
        found = access(Principal(role, ("99",), frozenset({"8"})), COLLECTIONS["cases"])
        assert found is not None
        return found

    try:
        plain = told()
        monkeypatch.setenv("WANGGE_CATEGORIES", str(city))
        named = told()
    finally:
        monkeypatch.undo()
        vocabulary.cache_clear()
        access.cache_clear()
    for one in (plain, named):
        assert "category_names" not in one.predicate + one.always + one.geometry
        assert {column.name for column, _ in one.asked} == {"category_zh", "category_en"}
    assert (plain.predicate, plain.always, plain.geometry) == (named.predicate, named.always, named.geometry)
    other = dict(named.parameters)
    assert plain.parameters["category_names"] != other.pop("category_names")
    assert other == {name: value for name, value in plain.parameters.items() if name != "category_names"}
    assert plain.fingerprint != named.fingerprint


TEXTS = st.one_of(
    st.sampled_from(
        [*(way for entry in built_in() for way in ways(entry)), "ｓｔａｌｌ", " STALL", "C17", "É_è"]
    ),
    st.text(st.characters(exclude_categories=("Cs", "Cc"), max_codepoint=0x2FFFF), max_size=12),
)


@pytest.mark.database
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(categories=st.lists(TEXTS, max_size=20))
@example(["ｓｔａｌｌ", "　占道经营　", "STREET-light", " C17", "É_è", "", "'; --", "{}"])
def test_the_database_calls_them_alike(connection: Connection, categories: list[str]) -> None:
    told = connection.execute(
        text(
            f"select {named_sql('c', 'zh')}, {named_sql('c', 'en')}"  # noqa: S608  # the SQL under test
            " from unnest(cast(:all as text[])) with ordinality as t(c, place) order by place"
        ),
        {"all": categories, "category_names": read_vocabulary().as_json},
    ).all()
    known = read_vocabulary()
    assert [tuple(row) for row in told] == [
        (label["zh"], label["en"]) for label in map(known.label, categories)
    ]


@pytest.mark.database
def test_what_is_withheld_is_withheld_in_letters_of_any_width(connection: Connection) -> None:
    """Names follow the category however it is written, and so does whether it is sensitive."""
    withheld = ["ｄｉｓｐｕｔｅ", "Ｄｏｍｅｓｔｉｃ　ｖｉｏｌｅｎｃｅ", "domestic_violence", "家庭纠纷"]
    open_ones = ["ｓｔａｌｌ", "street_light", "占道经营"]
    planner = access(Principal(Role.PLANNER, ("",)), COLLECTIONS["cases"])
    assert planner is not None
    shown = connection.scalars(
        text(
            "select t.category from (select c as category, st_makepoint(0, 0) as place"  # noqa: S608  # ours
            f" from unnest(cast(:all as text[])) c) t where {planner.predicate}"
        ),
        {**planner.parameters, "all": [*withheld, *open_ones]},
    ).all()
    assert sorted(shown) == sorted(open_ones)
    assert [rules().sensitive(one) for one in withheld] == [True] * len(withheld)
    assert not any(map(rules().sensitive, open_ones))
