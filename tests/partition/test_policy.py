"""Profiles: every file is whole, sizes given by hand are checked, and what is not carried out is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from partition.errors import InputError, ProfileError
from partition.wishes.policy import Size, ZoneRule, load_profile, profile_names
from partition.wishes.rules import BORDER_COST, CROSSING_COST

TEN = {"yichang", "yantai", "shigu", "kangcui", "guangde", "luoyang", "jinta", "baise", "xisimen", "xiqing"}


def test_the_profiles_of_the_design_are_there() -> None:
    assert set(profile_names()) == TEN


@pytest.mark.parametrize("name", sorted(TEN))
def test_every_profile_is_whole(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert set(profile.title) == set(profile.rule) == {"zh", "en"}
    numbers = {f"{part}.{bound}" for part in ("size", "second", "rural") if getattr(profile, part)
               for bound in ("lower", "target", "upper")}  # fmt: skip
    numbers |= {f"tiers.{place}.{bound}" for place in range(len(profile.tiers))
                for bound in ("lower", "target", "upper")}  # fmt: skip
    numbers |= {"village_whole"} if profile.village_whole else set()
    assert set(profile.origins) == numbers
    for finding in profile.findings():
        assert finding.level == "noted"
        assert name in finding.text("zh")
        assert name in finding.text("en")


def test_the_numbers_of_the_rules() -> None:
    sizes = {name: load_profile(name).size for name in TEN}
    assert sizes["yichang"] == Size("households", 200, 300, 400)
    assert (sizes["kangcui"].lower, sizes["kangcui"].upper) == (400, 500)
    assert (sizes["jinta"].lower, sizes["jinta"].upper) == (500, 1000)
    assert sizes["baise"].target == 700
    assert load_profile("shigu").second == Size("residents", 800, 900, 1000)
    assert load_profile("luoyang").second is not None
    area, small = load_profile("xisimen").tiers
    assert (area.above, area.name["zh"], area.target) == (True, "片区", 2900)
    assert (small.above, small.name["en"], small.size) == (
        False,
        "small grid",
        Size("households", 53, 80, 107),
    )
    origins = load_profile("yichang").origins
    assert origins == {"size.lower": "ours", "size.target": "source", "size.upper": "ours"}


def test_what_is_left_to_other_commands_is_said() -> None:
    told = {name: [finding.code for finding in load_profile(name).findings()] for name in TEN}
    assert {name: codes for name, codes in told.items() if codes} == {"xisimen": ["tiers_besides"]}


def test_the_size_depends_on_the_communitys_class() -> None:
    yantai = load_profile("yantai")
    assert yantai.size_for("urban").target == yantai.size_for("").target == 400
    assert yantai.size_for("rural").target == 200
    assert load_profile("yichang").size_for("rural").target == 300
    assert yantai.with_size(target=500).size_for("rural").target == 500


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (200, 300, 400)),
        ({"target": 600}, (400, 600, 800)),
        ({"target": 600, "upper": 650}, (400, 600, 650)),
        ({"lower": 100}, (100, 300, 400)),
        ({"lower": 350}, (350, 375, 400)),
        ({"lower": 500}, (500, 750, 1000)),
        ({"upper": 1000}, (200, 300, 1000)),
        ({"upper": 150}, (75, 112, 150)),
        ({"lower": 10, "upper": 20}, (10, 15, 20)),
        ({"lower": 0, "target": 1, "upper": 1}, (0, 1, 1)),
        ({"lower": 5, "target": 5, "upper": 5}, (5, 5, 5)),
    ],
)
def test_sizes_given_by_hand(given: dict[str, float], expected: tuple[float, ...]) -> None:
    size = load_profile("yichang").with_size(**given).size
    assert (size.lower, size.target, size.upper) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"lower": 300, "target": 200},
        {"target": 300, "upper": 200},
        {"lower": 300, "upper": 200},
        {"lower": 401, "target": 300, "upper": 400},
    ],
)
def test_sizes_out_of_order_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ProfileError, match="lower ≤ target ≤ upper") as caught:
        load_profile("yichang").with_size(**given)
    assert isinstance(caught.value, InputError)
    assert "--lower" in caught.value.findings[0].text("zh")


@pytest.mark.parametrize("given", [{"target": 0}, {"upper": -1}, {"lower": -1}, {"target": float("nan")}])
def test_sizes_that_are_not_positive_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ProfileError, match="must be positive"):
        load_profile("yichang").with_size(**given)


def test_the_balance_is_the_profiles_unless_it_is_given_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "even.toml"
    size = '[size]\nmeasure = "households"\nlower = 200\ntarget = 300\nupper = 400\n'
    path.write_text(f"balance = 2.5\n{size}", encoding="utf-8")
    even = load_profile(path)
    assert (even.balance, even.origins["balance"]) == (2.5, "source")
    assert even.with_balance(None) == even
    assert even.with_balance(0).balance == 0
    assert load_profile("yichang").balance == 1
    with pytest.raises(ProfileError) as caught:
        even.with_balance(float("inf"))
    assert [fault.values["options"] for fault in caught.value.findings] == ["--balance"]
    path.write_text(f"balance = -1\n{size}", encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    assert [fault.values["key"] for fault in caught.value.findings] == ["balance"]


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile("atlantis")
    assert all(name in str(caught.value) for name in TEN)


OWN = """
title = { zh = "我们区", en = "Our district" }
wishes = ["soft", "village_groups"]
village_whole = 150
workload = "households + 0.5 * shops"
[size]
measure = "households"
lower = 80
target = { value = 100, from = "ours" }
upper = 120
[second]
measure = "workload"
lower = 90
target = 110
upper = 140
[zones]
kinds = ["school"]
uses = ["医院"]
[[tiers]]
name = { zh = "片区", en = "area" }
place = "above"
measure = "households"
lower = 500
target = 600
upper = 700
[[tiers]]
name = { zh = "楼组", en = "stairs" }
numbered = false
measure = "households"
lower = 10
target = 20
upper = 30
[border_cost]
lane = 0.9
"""


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(OWN, encoding="utf-8")
    profile = load_profile(path)
    assert profile.name == "ours"
    assert profile.file == str(path)
    assert profile.size == Size("households", 80, 100, 120)
    assert profile.sizes_for("urban") == (profile.size, Size("workload", 90, 110, 140))
    assert profile.border_cost["lane"] == 0.9
    assert profile.border_cost["arterial"] == 0.2
    assert profile.origins["size.target"] == "ours"
    assert profile.origins["second.target"] == "source"
    assert profile.zones == ZoneRule(("school",), ("医院",))
    assert profile.wishes == ("soft", "village_groups", "zones")
    assert profile.soft
    assert profile.workload == "households + 0.5 * shops"
    assert [(tier.name["en"], tier.above, tier.numbered) for tier in profile.tiers] == [
        ("area", True, True),
        ("stairs", False, False),
    ]
    assert load_profile("yichang").border_cost["lane"] == 1.0


@pytest.mark.parametrize(
    ("old", "new", "code", "key"),
    [
        ("lower = 80", "lower = 110", "profile_size_order", "size"),
        ("lower = 80", 'lower = "many"', "profile_key", "size.lower"),
        ("upper = 120", "", "profile_key", "size"),
        ('[size]\nmeasure = "households"', '[size]\nmeasure = "souls"', "profile_key", "size.measure"),
        ("target = 110", "target = 200", "profile_size_order", "second"),
        ("lane = 0.9", "motorway = 1.0", "profile_key", "border_cost.motorway"),
        ("lane = 0.9", "lane = -1", "profile_key", "border_cost.lane"),
        ("lane = 0.9", "lane = inf", "profile_key", "border_cost.lane"),
        ('"soft", ', '"hard", ', "profile_wishes", "wishes"),
        ("wishes = [", "wishes = 3 # [", "profile_wishes", "wishes"),
        ("wishes =", "wishs =", "profile_key_unknown", "wishs"),
        ('from = "ours"', 'from = "hearsay"', "profile_key", "size.target"),
        ('from = "ours"', 'from = "ours", note = "x"', "profile_key", "size.target"),
        ("village_whole = 150", "village_whole = -1", "profile_key", "village_whole"),
        ("village_whole = 150", "village_whole = true", "profile_key", "village_whole"),
        ('"households + 0.5 * shops"', '""', "profile_workload_missing", "workload"),
        ('"households + 0.5 * shops"', "7", "profile_workload_missing", "workload"),
        ("0.5 * shops", "0.5 * open('x')", "expression_function", "workload"),
        ("0.5 * shops", "0.5 ^ shops", "expression_unexpected", "workload"),
        ("0.5 * shops", "0.5 *", "expression_unfinished", "workload"),
        ('["school"]', '"school"', "profile_key", "zones.kinds"),
        ("uses =", "usage =", "profile_key_unknown", "zones.usage"),
        ("[zones]", "[[zones]]", "profile_key", "zones"),
        ('place = "above"', 'place = "beside"', "profile_key", "tiers.0.place"),
        ("numbered = false", 'numbered = "no"', "profile_key", "tiers.1.numbered"),
        ("lower = 500", "", "profile_key", "tiers.0"),
        ("lower = 10", "lower = 25", "profile_size_order", "tiers.1"),
        ("lower = 500\ntarget = 600", "lower = 50\ntarget = 60", "profile_tiers_order", "tiers"),
        ('name = { zh = "楼组", en = "stairs" }', "", "profile_key", "tiers.1.name"),
        ('en = "stairs"', 'fr = "escalier"', "profile_key_unknown", "tiers.1.name.fr"),
        ('en = "Our district"', "en = 5", "profile_key", "title"),
        ("[size]", "[size", "profile_unreadable", None),
    ],
)
def test_faults_of_a_profile_are_named(
    tmp_path: Path, old: str, new: str, code: str, key: str | None
) -> None:
    path = tmp_path / "ours.toml"
    assert old in OWN
    path.write_text(OWN.replace(old, new), encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    assert [finding.code for finding in caught.value.findings] == [code]
    assert caught.value.findings[0].values.get("key") == key
    assert caught.value.findings[0].file == str(path)
    for lang in ("zh", "en"):
        assert key is None or key in caught.value.findings[0].text(lang)


SIZE = '[size]\nmeasure = "households"\nlower = 80\ntarget = 100\nupper = 120\n'


def written(folder: Path, text: str) -> Path:
    """A profile file."""
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def tier(measure: str, target: int, place: str = "below") -> str:
    """One tier in a profile's text."""
    bounds = f"lower = {target}, target = {target}, upper = {target}"
    return f'{{ name = {{ zh = "层", en = "tier" }}, place = "{place}", measure = "{measure}", {bounds} }}'


@pytest.mark.parametrize(
    ("line", "code", "keys"),
    [
        ("tiers = 3", "profile_key", ["tiers"]),
        ("tiers = [3]", "profile_key", ["tiers.0"]),
        ("second = 5", "profile_key", ["second"]),
        ("balance = true", "profile_key", ["balance"]),
        ("balance = { value = 2 }", "profile_key", ["balance"]),
        ("village_whole = inf", "profile_key", ["village_whole"]),
        ("village_whole = 0", "profile_key", ["village_whole"]),
        ('zones = "all"', "profile_key", ["zones"]),
        ('zones = { kinds = [""], uses = [3] }', "profile_key", ["zones.kinds", "zones.uses"]),
        ("border_cost = 3", "profile_key", ["border_cost"]),
        (
            "crossing_cost = { lane = true, path = 1, x = 1 }",
            "profile_key",
            ["crossing_cost.lane", "crossing_cost.x"],
        ),
        ('wishes = ["soft", 3]', "profile_wishes", ["wishes"]),
        ('title = "ours"', "profile_key", ["title"]),
        ("rule = 5", "profile_key", ["rule"]),
        ("b = 1\na = 2", "profile_key_unknown", ["a", "b"]),
        (
            f"tiers = [{tier('households', 200, 'above')}, {tier('households', 300, 'above')}]",
            "profile_tiers_order",
            ["tiers"],
        ),
        (f"tiers = [{tier('households', 100)}]", "profile_tiers_order", ["tiers"]),
        (f"tiers = [{tier('area', 5)}, {tier('residents', 900, 'above')}]", "profile_tiers_order", ["tiers"]),
    ],
)
def test_every_fault_of_a_key_is_told(tmp_path: Path, line: str, code: str, keys: list[str]) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile(written(tmp_path, f"{line}\n{SIZE}"))
    faults = [(fault.code, fault.values["key"]) for fault in caught.value.findings]
    assert faults == [(code, key) for key in keys]


def test_a_tier_may_be_named_in_one_language(tmp_path: Path) -> None:
    for words in ('{ zh = "片区" }', '{ en = "area" }'):
        text = tier("households", 900, "above").replace('{ zh = "层", en = "tier" }', words)
        name = load_profile(written(tmp_path, f"tiers = [{text}]\n{SIZE}")).tiers[0].name
        assert set(name) == {"zh", "en"}
        assert name["zh"] == name["en"]
    nameless = tier("households", 900, "above").replace('zh = "层", en = "tier"', 'zh = ""')
    with pytest.raises(ProfileError) as caught:
        load_profile(written(tmp_path, f"tiers = [{nameless}]\n{SIZE}"))
    assert [fault.values["key"] for fault in caught.value.findings] == ["tiers.0.name"]


def test_a_tier_by_workload_needs_its_expression(tmp_path: Path) -> None:
    tiers = f"tiers = [{tier('workload', 900, 'above')}]"
    with pytest.raises(ProfileError) as caught:
        load_profile(written(tmp_path, f"{tiers}\n{SIZE}"))
    assert [fault.code for fault in caught.value.findings] == ["profile_workload_missing"]
    assert load_profile(written(tmp_path, f'workload = "households"\n{tiers}\n{SIZE}')).tiers


@pytest.mark.parametrize("other", ["size", "rural"])
def test_two_ranges_at_once_have_two_measures(tmp_path: Path, other: str) -> None:
    second = SIZE.replace("[size]", "[second]").replace("households", "residents")
    first = SIZE if other == "rural" else SIZE.replace("households", "residents")
    rural = second.replace("[second]", "[rural]") if other == "rural" else ""
    with pytest.raises(ProfileError) as caught:
        load_profile(written(tmp_path, first + second + rural))
    fault = caught.value.findings[0]
    assert (fault.code, fault.values["other"], fault.values["of"]) == ("profile_second", other, "residents")


def test_what_an_entry_must_be_is_told(tmp_path: Path) -> None:
    wrong = SIZE.replace("households", "souls")
    with pytest.raises(ProfileError) as caught:
        load_profile(written(tmp_path, f"balance = -1\n{wrong}"))
    told = [fault.text("en") for fault in caught.value.findings]
    assert any("size.measure" in text and "households, residents, area or workload" in text for text in told)
    assert any("balance" in text and "{ value = 300" in text for text in told)


def test_a_profile_without_a_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile(written(tmp_path, 'wishes = ["soft"]'))
    assert [fault.values["key"] for fault in caught.value.findings] == ["size"]


def test_what_a_profile_leaves_out_is_as_usual(tmp_path: Path) -> None:
    profile = load_profile(written(tmp_path, SIZE))
    assert (profile.second, profile.rural, profile.village_whole, profile.zones) == (None, None, None, None)
    assert (profile.tiers, profile.wishes, profile.workload, profile.balance) == ((), (), "", 1.0)
    assert profile.border_cost == load_profile("yichang").border_cost
    assert profile.crossing_cost == {"arterial": 0.5}
    assert not profile.soft
    assert profile.findings() == ()


def test_limits_of_what_a_profile_may_say(tmp_path: Path) -> None:
    same = SIZE.replace("80", "0").replace("100", "120")
    profile = load_profile(
        written(tmp_path, f'balance = 0\nworkload = "  "\nborder_cost = {{ lane = 0 }}\n{same}')
    )
    assert profile.size == Size("households", 0, 120, 120)
    assert (profile.balance, profile.workload, profile.border_cost["lane"]) == (0, "", 0)
    tiers = (
        f"tiers = [{tier('households', 200, 'above')}, {tier('residents', 900)}, {tier('households', 99)}]"
    )
    assert [t.target for t in load_profile(written(tmp_path, f"{tiers}\n{SIZE}")).tiers] == [200, 900, 99]


def test_zones_may_be_wished_for_in_a_word_or_by_their_rule(tmp_path: Path) -> None:
    assert load_profile(written(tmp_path, f'wishes = ["zones"]\n{SIZE}')).zones == ZoneRule()
    ruled = load_profile(written(tmp_path, f'zones = {{ compounds = ["E1"] }}\n{SIZE}'))
    assert (ruled.zones, ruled.wishes) == (ZoneRule(compounds=("E1",)), ("zones",))


def test_files_are_read_as_they_come_and_others_are_told(tmp_path: Path) -> None:
    marked = tmp_path / "MARKED.TOML"
    marked.write_text(SIZE, encoding="utf-8-sig")
    assert load_profile(marked).name == "MARKED"
    torn = tmp_path / "torn.toml"
    torn.write_bytes(b"\xff\xfe\x00")
    for path, code in (
        (torn, "profile_encoding"),
        (tmp_path / "none.toml", "file_missing"),
        (tmp_path / "ours.json", "profile_unknown"),
    ):
        with pytest.raises(ProfileError) as caught:
            load_profile(path)
        assert [fault.code for fault in caught.value.findings] == [code]


def test_what_a_metre_of_border_costs_by_what_runs_there() -> None:
    """As the design has it: borders along water and railways cost least, those along nothing most."""
    assert BORDER_COST == {
        "none": 3.0, "outline": 2.0, "path": 1.5, "lane": 1.0, "local": 0.8, "wall": 0.8, "secondary": 0.5,
        "arterial": 0.2, "water": 0.1, "rail": 0.1,
    }  # fmt: skip
    assert CROSSING_COST == {"arterial": 0.5}
