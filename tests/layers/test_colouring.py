"""Colours of grids: neighbours differ, few colours, colours that stay apart for colour-blind readers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise, product

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from layers import colouring, palette
from layers.colouring import colour, neighbours
from tests.layers.views import grids


def differ(adjacent: list[set[int]], colours: Sequence[int]) -> bool:
    """Whether no two neighbours share a colour."""
    return all(colours[a] != colours[b] for a, near in enumerate(adjacent) for b in near)


def test_rook_neighbours_only() -> None:
    """In two rows of three, cells that touch at a corner are no neighbours."""
    found = neighbours(grids().geometry)
    assert found == [{1, 3}, {0, 2, 4}, {1, 5}, {0, 4}, {1, 3, 5}, {2, 4}]


def test_a_chequerboard_takes_two_colours() -> None:
    """As few as needed."""
    assert sorted(set(colour(neighbours(grids().geometry)).colours)) == [0, 1]


def test_an_odd_wheel_takes_four() -> None:
    """A hub with five neighbours round it cannot do with three."""
    wheel = [{1, 2, 3, 4, 5}, {0, 2, 5}, {0, 1, 3}, {0, 2, 4}, {0, 3, 5}, {0, 1, 4}]
    found = colour(wheel)
    assert differ(wheel, found.colours)
    assert found.count == found.fewest == 4


def tessellation(seed: int, many: int, dropped: float = 0.0) -> list[set[int]]:
    """Who borders on whom in a random tessellation of the plane, a share of the borders left out."""
    rng = np.random.default_rng(seed)
    cells = shapely.get_parts(
        shapely.voronoi_polygons(
            shapely.multipoints(rng.uniform(0, 1000, (many, 2))), extend_to=shapely.box(0, 0, 1, 1)
        )
    )
    adjacent = neighbours(gpd.GeoSeries(cells, crs="EPSG:32650"))
    for a, near in enumerate(adjacent):
        for b in sorted(near):
            if a < b and rng.random() < dropped:
                adjacent[a].discard(b)
                adjacent[b].discard(a)
    return adjacent


@pytest.mark.parametrize("seed", range(6))
def test_maps_take_at_most_four(seed: int) -> None:
    """Random tessellations, the plane's neighbours."""
    adjacent = tessellation(seed, 60)
    found = colour(adjacent)
    assert sum(len(near) for near in adjacent) > 200
    assert differ(adjacent, found.colours)
    assert max(found.colours) <= 3
    assert found.count == found.fewest


def by_trying_all(adjacent: list[set[int]]) -> int:
    """The least number of colours, by every assignment there is."""
    return next(
        many
        for many in range(1, len(adjacent) + 1)
        if any(differ(adjacent, colours) for colours in product(range(many), repeat=len(adjacent)))
    )


def a_graph(drawn: st.DataObject) -> list[set[int]]:
    """Any graph of up to seven nodes."""
    many = drawn.draw(st.integers(1, 7))
    pairs = list(combinations(range(many), 2))
    adjacent: list[set[int]] = [set() for _ in range(many)]
    for a, b in drawn.draw(st.sets(st.sampled_from(pairs)) if pairs else st.just(set())):
        adjacent[a].add(b)
        adjacent[b].add(a)
    return adjacent


@settings(deadline=None)
@given(drawn=st.data())
def test_no_colouring_has_fewer_colours(drawn: st.DataObject) -> None:
    """On any graph of up to seven nodes, against every assignment; the integer program says the same."""
    adjacent = a_graph(drawn)
    found, least = colour(adjacent), by_trying_all(adjacent)
    assert differ(adjacent, found.colours)
    assert found.count == found.fewest == least
    everything, none = list(range(len(adjacent))), [-1] * len(adjacent)
    solved, _ = colouring._program(adjacent, everything, range(least), none)
    assert solved is not None
    assert differ(adjacent, [solved[node] for node in everything])
    if least > 1:
        assert colouring._program(adjacent, everything, range(least - 1), none) == (None, True)


@settings(deadline=None)
@given(drawn=st.data())
def test_no_colouring_keeps_more(drawn: st.DataObject) -> None:
    """As many nodes keep their colour as in any assignment with as few colours, new ones apart."""
    adjacent = a_graph(drawn)
    least = by_trying_all(adjacent)
    old = st.one_of(st.none(), st.integers(0, least - 1))
    before = drawn.draw(st.lists(old, min_size=len(adjacent), max_size=len(adjacent)))
    found = colour(adjacent, before)
    assert differ(adjacent, found.colours)
    assert found.count == least
    if any(one is not None for one in before):
        most = max(
            sum(one == other for one, other in zip(before, colours, strict=True))
            for colours in product(range(least), repeat=len(adjacent))
            if differ(adjacent, colours)
        )
        assert sum(one == other for one, other in zip(before, found.colours, strict=True)) == most


def test_where_the_search_takes_too_long_the_integer_program_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off after a few steps, the answer is the same."""
    for seed in range(4):
        adjacent = tessellation(seed, 80, dropped=0.35)
        whole = colour(adjacent)
        with monkeypatch.context() as patch:
            patch.setattr(colouring, "_MOST_STEPS", 3)
            cut = colour(adjacent)
        assert differ(adjacent, cut.colours)
        assert cut.count == cut.fewest == whole.count


def test_what_is_not_decided_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without search and program a colouring is still right, and `fewest` says what is known."""
    monkeypatch.setattr(colouring, "_MOST_STEPS", 0)
    monkeypatch.setattr(colouring, "_program", lambda *_: (None, False))
    adjacent = tessellation(1, 60)
    found = colour(adjacent)
    assert differ(adjacent, found.colours)
    assert found.fewest < found.count


def test_a_small_redraw_changes_few_colours() -> None:
    """A grid is divided: all but the two that came of it keep their colours, or nearly."""
    for seed in range(5):
        adjacent = tessellation(seed, 120)
        first = colour(adjacent)
        parted = [set(near) for near in adjacent]
        near = sorted(adjacent[7])
        parted.append(set(near[::2]) | {7})  # the new grid takes every second neighbour
        for other in near[::2]:
            parted[other].discard(7)
            parted[other].add(120)
        parted[7] = set(near[1::2]) | {120}
        before: list[int | None] = [*first.colours, None]
        after = colour(parted, before)
        assert differ(parted, after.colours)
        assert after.count == after.fewest
        kept = sum(old == new for old, new in zip(before, after.colours, strict=True))
        assert kept >= 116
        assert (
            colour(adjacent, list(first.colours)).colours == first.colours
        )  # nothing changed: all keep theirs


def test_a_colour_that_is_no_longer_needed_goes() -> None:
    """Fewest colours comes before keeping them; the numbers are those that most had."""
    line = [{1}, {0, 2}, {1, 3}, {2}]
    found = colour(line, [3, 1, 3, 2])
    assert found.count == 2
    assert found.colours == (3, 1, 3, 1)
    assert colour(line, [None, None, None, None]).colours == colour(line).colours


def test_more_than_four_where_the_map_is_not_plane() -> None:
    """Five parts that all meet, as grids of several parts may: five colours, and the palette has eight."""
    complete = [set(range(5)) - {n} for n in range(5)]
    found = colour(complete)
    assert sorted(found.colours) == [0, 1, 2, 3, 4]
    assert len(set(palette.GRIDS)) == 8


def test_the_same_graph_has_the_same_colours() -> None:
    """However the sets of neighbours were filled."""
    adjacent = tessellation(3, 90)
    turned: list[set[int]] = [set() for _ in adjacent]
    for node, near in reversed(list(enumerate(adjacent))):
        for other in near:
            turned[other].add(node)
    assert colour(adjacent) == colour(turned)


def test_no_grids_no_colours() -> None:
    """An empty community is drawn too."""
    assert colour([]).colours == ()


# Machado, Oliveira, Fernandes 2009: how the full lack of one cone sees linear RGB
CONES = {
    "all": np.eye(3),
    "no red cone": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green cone": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def lab(code: str, cones: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of #rrggbb as seen with these cones."""
    rgb = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(cones @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    scaled = xyz / np.array([0.9505, 1.0, 1.089])
    root = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("cones", CONES)
def test_grid_colours_stay_apart(cones: str) -> None:
    """Any two of the grids' colours differ by at least 15 of CIE 1976's units, whichever cone is lacking."""
    seen = [lab(code, CONES[cones]) for code in palette.GRIDS]
    gaps = [float(np.linalg.norm(a - b)) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) >= 15


@pytest.mark.parametrize("ramp", [palette.CASES, palette.GROUPS, palette.FIGURES])
def test_ramps_darken(ramp: tuple[str, ...]) -> None:
    """More is darker, by steps one can see."""
    lightness = [lab(code, CONES["all"])[0] for code in ramp]
    assert all(a - b >= 5 for a, b in pairwise(lightness))


@pytest.mark.parametrize("cones", CONES)
def test_change_is_told_from_no_change_and_fewer_from_more(cones: str) -> None:
    """Fewer and more get darker away from the middle, and their ends stay apart for everybody."""
    seen = [lab(code, CONES[cones]) for code in palette.CHANGE]
    lightness = [float(one[0]) for one in seen]
    assert all(a < b for a, b in pairwise(lightness[:4]))
    assert all(a > b for a, b in pairwise(lightness[3:]))
    for below, above in ((0, 6), (1, 5), (2, 4)):
        assert float(np.linalg.norm(seen[below] - seen[above])) >= 15


def test_ramp_spreads_over_classes() -> None:
    """Two classes take the two ends, five take all."""
    assert palette.ramp(palette.CASES, 2) == (palette.CASES[0], palette.CASES[-1])
    assert palette.ramp(palette.CASES, 5) == palette.CASES
    assert palette.ramp(palette.CASES, 0) == ()
