"""What the check of an input says and makes of it, spoilt in many ways, as readable text. `make golden`
renews it; read the difference like code.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import shapely

from partition.area import Area
from partition.errors import InputError
from partition.intake.frames import RawFrames, check_area
from tests.frames import box, frame, line
from tests.golden.parts import compare_part
from tests.partition.test_frames_spoilt import spoil, town

GOLDEN = Path(__file__).with_name("inputs.txt")
COLUMNS = ["row", "id", "households", "unknown", "estimated", "residents", "use", "floors", "shops",
           "complexity", "village_group", "community", "atom"]  # fmt: skip


def told(area: Area) -> Iterator[str]:
    """Findings, then each layer by its columns and the measures of its shapes."""
    for finding in area.findings:
        yield f"  {finding.level}: {finding.text('en')}"
    layers = {
        "communities": area.communities[["id", "name", "code", "class", "geometry"]],
        "streets": area.streets[["class", "bridge", "tunnel", "layer", "oneway", "name", "geometry"]],
        "buildings": area.buildings[[*COLUMNS, "geometry"]],
        "compounds": area.compounds,
        "zones": area.zones,
    }
    for name, layer in layers.items():
        shapes = layer.geometry.to_numpy()
        measures = zip(shapely.area(shapes), shapely.length(shapes), strict=True)
        for values, (ground, around) in zip(
            layer.drop(columns="geometry").itertuples(index=False), measures, strict=True
        ):
            shown = " ".join("-" if value == "" else str(value) for value in values)
            yield f"  {name} {shown}, {ground:.2f} m2, {around:.2f} m"


def rich(rng: random.Random) -> dict[str, object]:
    """The usual layers with all the columns that are known, some figures missing, and zones."""
    layers = town()
    houses = layers["buildings"]
    count = len(houses)
    layers["buildings"] = houses.assign(
        households=[rng.choice([10, 20, None, "1,200", 7.0]) for _ in range(count)],
        residents=[rng.choice([25, None, 40.0]) for _ in range(count)],
        floors=[rng.choice([6, 2, None, "３"]) for _ in range(count)],
        use=[rng.choice(["住宅", "", "shop", "yes"]) for _ in range(count)],
        shops=[rng.choice([0, 1, None]) for _ in range(count)],
        village_group=[rng.choice(["一组", "", None, "二组"]) for _ in range(count)],
        complexity=[rng.choice([1, 1.5, None]) for _ in range(count)],
    )
    layers["zones"] = frame(
        [box(10, 10, 110, 90), box(300, 190, 380, 290)], id=["Z1", None], name=["小学", ""],
        kind=["school", None], complexity=[None, 1.3],
    )  # fmt: skip
    layers["streets"] = pd.concat(
        [
            layers["streets"],
            frame([line((0, 40), (90, 40), (90, 300)), line((390, 0), (390, 300))],
                  **{"class": [rng.choice(["河", "residential", "footway", "rail"]), "local"]},
                  layer=[-1, 0], tunnel=[rng.choice(["yes", None, "culvert"]), None], oneway=[None, "-1"]),
        ],
        ignore_index=True,
    )  # fmt: skip
    return layers


def judged(seed: int) -> Iterator[str]:
    rng = random.Random(seed)  # noqa: S311 - for tests
    layers = rich(rng)
    for _ in range(seed % 4):
        spoil(layers, rng)  # type: ignore[arg-type]
    missing = ("estimate", "zero", "refuse")[seed % 3 if seed % 6 else 0]
    yield f"{seed}, {missing}:"
    try:
        area = check_area(RawFrames(layers, layers["community"].crs), missing=missing)  # type: ignore[arg-type, attr-defined]
    except InputError as error:
        yield from (f"  refused: {finding.text('en')}" for finding in error.findings)
    else:
        yield from told(area) if seed % 4 < 2 else (f"  {f.level}: {f.text('en')}" for f in area.findings)
        held = area.buildings.groupby("community")["households"].sum()
        yield f"  households by community {held.to_dict()}, {area.buildings['residents'].sum():.1f} residents"


@pytest.mark.parametrize("part", range(4))
def test_what_is_said_of_an_input(part: int, request: pytest.FixtureRequest) -> None:
    lines = [line for seed in range(12 * part, 12 * part + 12) for line in judged(seed)]
    compare_part(GOLDEN, str(part), lines, request.config.getoption("--renew-golden"))
