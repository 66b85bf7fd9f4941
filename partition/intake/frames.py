"""The check at the border: frames with standard column names in, an `Area` out that all else trusts.

Everything that is wrong is collected and refused together; everything that was changed or is odd is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely

from partition.area import STREET_CLASSES, Area, Missing, no_zones
from partition.errors import InputError
from partition.findings import Finding, Level
from partition.intake import repair
from partition.intake.columns import read_flags, read_ids, read_numbers, read_texts
from partition.intake.crs import choose_metric_crs, is_usable
from partition.intake.extent import find_out_of_range
from partition.intake.groups import is_group_count
from partition.intake.households import Figures, estimate_households, join_figures, tell_buildings
from partition.intake.inner import inner_points
from partition.intake.personal import find_personal, holds_personal_number

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

NEEDED: Mapping[str, tuple[str, ...]] = {
    "community": ("id",),
    "streets": (),
    "buildings": ("id", "households"),
}
# a building with more households is a slip of the pen
MOST_HOUSEHOLDS = 100_000
# parts of one building that lie farther apart than this are worth a look, metres
PARTS_APART_M = 50.0
# overlaps of buildings below this are slips of the drawing, m²
OVERLAP_M2 = 1.0
# a household that counts for more than this is a slip of the pen
MOST_COMPLEXITY = 10.0
CODE = re.compile(r"[0-9]{12}")
COMMUNITY_CLASSES = ("urban", "rural", "")
# columns of buildings that a plan is reckoned from
FIGURES = ("households", "residents", "population", "shops", "floors", "complexity")


@dataclass(frozen=True)
class RawFrames:
    """What was read, by layer, with standard column names and in one CRS; nothing is checked yet.

    frames: GeoDataFrames in `crs` (DataFrames for layers without geometry), rows as in the file.
    crs: None where the community layer has none. files: where each layer came from.
    originals: by layer, the file's name of each column that was renamed.
    hints: by (layer, needed column), the column that is likely meant.
    findings: what reading found; those of level "refused" are raised by `check_area` with its own.
    """

    frames: Mapping[str, pd.DataFrame]
    crs: pyproj.CRS | None
    files: Mapping[str, str] = field(default_factory=dict)
    originals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    hints: Mapping[tuple[str, str], str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def check_area(raw: RawFrames, *, missing: Missing = "zero", drop_personal: bool = False) -> Area:
    """Check the frames, mend what can be mended, and hand on what can be trusted.

    missing: what to do about buildings without households: refuse, count zero, or estimate from floor area.
    drop_personal: leave out personal columns instead of refusing them.
    Raises InputError with every fault found.
    """
    check = _Check(raw)
    check.personal(drop_personal)
    return check.area(missing)


def clear_personal(raw: RawFrames, *, drop_personal: bool = False) -> RawFrames:
    """The frames of every layer without personal columns. Raises InputError on one, unless dropped."""
    check = _Check(raw)
    check.personal(drop_personal)
    check.raise_refused()
    return replace(raw, frames=check.frames, findings=tuple(check.findings))


class _Check:
    """One check of one input: gathers findings on its way."""

    def __init__(self, raw: RawFrames) -> None:
        self.raw = raw
        self.findings: list[Finding] = list(raw.findings)
        self.frames = {layer: frame.reset_index(drop=True) for layer, frame in raw.frames.items()}
        self.labels: dict[str, npt.NDArray[np.object_]] = {}
        self.unnamed: dict[str, Flags] = {}

    # --- findings ---

    def find(
        self, code: str, level: Level, layer: str, rows: Iterable[str] = (), column: str = "", **values: Any
    ) -> None:
        """Add a finding, with the file that the layer came from."""
        shown = self.raw.originals.get(layer, {}).get(column, column)
        file = self.raw.files.get(layer, "")
        self.findings.append(Finding(code, level, layer, shown, tuple(rows), values, file))

    def find_rows(
        self, code: str, level: Level, layer: str, flags: Flags, column: str = "", **values: Any
    ) -> None:
        """Add a finding on the rows flagged, if any."""
        if flags.any():
            self.find(code, level, layer, self.labels[layer][flags], column, **values)

    def raise_refused(self) -> None:
        refused = [finding for finding in self.findings if finding.level == "refused"]
        if refused:
            raise InputError(refused)

    def is_refused(self, layer: str, column: str = "") -> bool:
        return any(
            f.level == "refused" and f.layer == layer and column in ("", f.column) for f in self.findings
        )

    # --- the steps ---

    def personal(self, drop: bool) -> None:
        """Refuse personal columns of every layer, or drop them. Rows are numbered where ids are personal."""
        for layer, frame in self.frames.items():
            found = find_personal(frame, layer, self.raw.originals.get(layer))
            ids, unnamed = read_ids(
                frame["id"] if "id" in frame and "id" not in found else [None] * len(frame)
            )
            self.labels[layer] = np.array(ids, dtype=object)
            self.unnamed[layer] = unnamed
            for column, rows in found.items():
                code, level = ("personal_dropped", "repaired") if drop else ("personal_refused", "refused")
                self.find_rows(code, level, layer, rows, column)  # type: ignore[arg-type]
            self.frames[layer] = frame.drop(columns=list(found))

    def area(self, missing: Missing) -> Area:
        """Everything after the personal columns."""
        self.layers()
        self.range()
        code = self.codes()
        figures = self.figures(missing)
        factors = {layer: self.complexity(layer) for layer in ("buildings", "zones")}
        shapes = {
            layer: self.polygons(layer)
            for layer in ("community", "buildings", "compounds", "zones")
            if self.shaped(layer)
        }
        self.raise_refused()
        assert self.raw.crs is not None  # noqa: S101 - refused otherwise
        source = self.raw.crs
        bounds = shapely.total_bounds(shapes["community"].shapes)
        metric = choose_metric_crs(source, tuple(float(value) for value in bounds))  # type: ignore[arg-type]
        self.source, self.metric = source, metric
        communities = self.communities(self.moved("community", shapes["community"]), code)
        self.raise_refused()
        streets = self.streets(communities)
        buildings = self.buildings(
            self.moved("buildings", shapes["buildings"]), communities, figures, factors["buildings"], missing
        )
        compounds = self.compounds(
            self.moved("compounds", shapes["compounds"]) if "compounds" in shapes else None
        )
        zones = (
            self.zones(self.moved("zones", shapes["zones"]), factors["zones"])
            if "zones" in shapes
            else no_zones().set_crs(metric)
        )
        self.note_communities(communities, streets, buildings)
        self.raise_refused()
        order = {"repaired": 0, "noted": 1}
        findings = sorted(self.findings, key=lambda finding: order.get(finding.level, 2))
        return Area(
            metric,
            source,
            communities,
            streets,
            buildings,
            compounds,
            self.original_buildings(),
            tuple(findings),
            zones,
            missing,
        )

    def layers(self) -> None:
        """Every layer and column that is needed is there; the CRS is known."""
        for layer, columns in NEEDED.items():
            frame = self.frames.get(layer)
            if frame is None:
                if not self.is_refused(layer):
                    self.find("layer_missing", "refused", layer, found=", ".join(self.frames) or "-")
                continue
            if layer == "community" and len(frame) == 0:
                self.find("layer_empty", "refused", layer)
            if "geometry" not in frame and len(frame):
                self.find("geometry_missing", "refused", layer)
            if layer == "community" and "id" not in frame and "code" in frame:
                ids, self.unnamed[layer] = read_ids(frame["code"])
                self.labels[layer] = np.array(ids, dtype=object)
                frame["id"] = ids
                self.find("id_from_code", "noted", layer)
            for column in columns:
                if column not in frame and len(frame) and not self.is_refused(layer, column):
                    self.column_missing(layer, column, frame)
        if "community" in self.frames and not is_usable(self.raw.crs):
            self.find("crs_missing", "refused", "community")

    def column_missing(self, layer: str, column: str, frame: pd.DataFrame) -> None:
        originals = self.raw.originals.get(layer, {})
        names = ", ".join(str(originals.get(c, c)) for c in frame.columns if c != "geometry") or "-"
        hint = self.raw.hints.get((layer, column))
        code = "column_missing_hint" if hint else "column_missing"
        file = self.raw.files.get(layer, "")
        values = {"columns": names, "hint": hint or "", "needed": column}
        self.findings.append(Finding(code, "refused", layer, column, values=values, file=file))

    def shaped(self, layer: str) -> bool:
        return layer in self.frames and ("geometry" in self.frames[layer] or len(self.frames[layer]) == 0)

    def shapes(self, layer: str) -> repair.Shapes:
        frame = self.frames[layer]
        shapes = np.empty(len(frame), dtype=object)
        if len(frame):
            shapes[:] = np.asarray(frame["geometry"], dtype=object)
        return shapes

    def range(self) -> None:
        """Coordinates fit the CRS."""
        if not is_usable(self.raw.crs):
            return
        assert self.raw.crs is not None  # noqa: S101 - just judged
        for layer in ("community", "streets", "buildings", "compounds", "zones"):
            if not self.shaped(layer):
                continue
            fault = find_out_of_range(self.raw.crs, shapely.bounds(self.shapes(layer)))
            if fault is not None:
                name = self.raw.crs.name
                self.find_rows(f"out_of_range{fault.hint}", "refused", layer, fault.rows, crs=name)

    def codes(self) -> npt.NDArray[np.object_]:
        """Codes of communities have 12 digits, each its own."""
        frame = self.frames.get("community")
        if frame is None:
            return np.empty(0, dtype=object)
        codes = np.array(read_texts(frame["code"]) if "code" in frame else [""] * len(frame), dtype=object)
        wrong = np.array([code != "" and CODE.fullmatch(code) is None for code in codes], dtype=bool)
        self.find_rows("community_code_malformed", "refused", "community", wrong, "code")
        ids = self.labels["community"]
        pairs = pd.DataFrame({"id": ids, "code": codes})[codes != ""].drop_duplicates()
        for column, code in (("id", "community_code_conflict"), ("code", "community_code_repeated")):
            twice = pairs[pairs.duplicated(column, keep=False)]
            if len(twice):
                self.find(code, "refused", "community", dict.fromkeys(twice["id"]), "code")
        return codes

    def group_counts(self) -> None:
        """No figure is taken from a column that counts people of a group, under another name."""
        for column, name in self.raw.originals.get("buildings", {}).items():
            if column in FIGURES and is_group_count(str(name)):
                self.find("group_count", "refused", "buildings", column=column, name=column)

    def figures(self, missing: Missing) -> Figures | None:
        """Households and residents by row of the buildings layer."""
        frame = self.frames.get("buildings")
        if frame is None:
            return None
        self.group_counts()
        households = self.number(frame, "households", whole=True)
        source = "residents" if "residents" in frame or "population" not in frame else "population"
        residents = self.number(frame, source, whole=False)
        shops = self.number(frame, "shops", whole=False)
        unknown = np.isnan(households)
        if missing == "refuse" and "households" in frame and not self.is_refused("buildings", "households"):
            self.find_rows("households_missing", "refused", "buildings", unknown, "households")
        ids, unnamed = self.labels["buildings"], self.unnamed["buildings"]
        if "id" in frame and len(frame) >= 3 and not unnamed.any() and len(set(ids)) == 1:
            self.find("ids_all_same", "refused", "buildings", ids[:1], "id", total=len(ids))
        self.find_rows("id_missing", "repaired", "buildings", unnamed, "id")
        return Figures(households, residents, shops)

    def complexity(self, layer: str) -> npt.NDArray[np.float64]:
        """How much a household in each row counts for; 1 where nothing is said."""
        frame = self.frames.get(layer)
        if frame is None or "complexity" not in frame:
            return np.ones(0 if frame is None else len(frame))
        factor, unread = read_numbers(frame["complexity"])
        wrong = unread | (np.nan_to_num(factor, nan=1.0) <= 0) | (factor > MOST_COMPLEXITY)
        self.find_rows("complexity_wrong", "refused", layer, wrong, "complexity", most=MOST_COMPLEXITY)
        return np.where(np.isnan(factor), 1.0, factor)

    def number(self, frame: pd.DataFrame, column: str, *, whole: bool) -> npt.NDArray[np.float64]:
        """A column of figures, NaN where missing; those that cannot be are refused."""
        if column not in frame:
            return np.full(len(frame), np.nan)
        numbers, text = read_numbers(frame[column])
        negative = np.nan_to_num(numbers) < 0
        large = np.nan_to_num(numbers) > MOST_HOUSEHOLDS * (1 if whole else 10)
        part = whole & ~negative & ~large & (np.floor(np.nan_to_num(numbers)) != np.nan_to_num(numbers))
        for code, flags in (("text", text), ("negative", negative), ("large", large), ("fractional", part)):
            self.find_rows(f"number_{code}", "refused", "buildings", flags, column)
        return numbers

    def polygons(self, layer: str) -> repair.Repaired:
        """The polygons of a layer; other geometry is refused, or left out of an optional layer."""
        done = repair.repair_polygons(self.shapes(layer))
        if layer in NEEDED:
            self.find_rows("not_polygon", "refused", layer, done.wrong)
        else:
            self.find_rows("left_out_not_polygon", "repaired", layer, done.wrong)
        if layer == "community" and len(done.shapes) and not done.wrong.any() and not done.usable.any():
            self.find("layer_empty", "refused", layer)
        elif layer != "buildings":
            self.find_rows("left_out_empty", "repaired", layer, done.empty)
            self.find_rows("left_out_no_area", "repaired", layer, done.vanished)
        self.find_rows("geometry_mended", "repaired", layer, done.mended)
        self.find_rows("geometry_flattened", "repaired", layer, done.flat)
        return done

    def moved(self, layer: str, done: repair.Repaired) -> repair.Repaired:
        """The polygons in metres. What lies so far off that it has no place there is left out."""
        if self.source == self.metric:
            return done
        shapes = done.shapes.copy()
        usable = done.usable
        inside = gpd.GeoSeries(list(shapes[usable]), crs=self.source).to_crs(self.metric).to_numpy()
        shapes[usable] = np.asarray(inside, dtype=object)
        again = repair.repair_polygons(shapes)
        far = again.vanished & usable
        if layer != "buildings":
            self.find_rows("left_out_far", "repaired", layer, far)
        return replace(done, shapes=again.shapes, vanished=done.vanished | far)

    def communities(self, done: repair.Repaired, codes: npt.NDArray[np.object_]) -> gpd.GeoDataFrame:
        """Communities in order of their ids, edge to edge; parts with one id are one community."""
        layer = "community"
        frame = self.frames[layer]
        self.find_rows("id_missing", "repaired", layer, self.unnamed[layer], "id")
        classes = np.array(
            read_texts(frame["class"]) if "class" in frame else [""] * len(frame), dtype=object
        )
        strange = ~np.isin(classes.astype(str), COMMUNITY_CLASSES)
        self.find_rows(
            "community_class_unknown", "noted", layer, strange, "class", words=_words(classes[strange])
        )
        classes[strange] = ""
        names = read_texts(frame["name"]) if "name" in frame else [""] * len(frame)
        table = pd.DataFrame({"id": self.labels[layer], "name": names, "code": codes, "class": classes})
        table["unnamed"] = self.unnamed[layer]
        table["shape"] = done.shapes
        table = table[done.usable]
        table = table.iloc[_canonical(np.where(table["unnamed"], "", table["id"]), table["shape"].to_numpy())]
        repeated = table["id"].duplicated(keep=False)
        if repeated.any():
            self.find("community_repeated", "repaired", layer, dict.fromkeys(table["id"][repeated]), "id")
        grouped = table.groupby("id", sort=False)
        merged = grouped[["name", "code", "class"]].agg(_first)
        shapes = np.array([_merge(list(part)) for _, part in grouped["shape"]], dtype=object)
        self.overlaps(merged.index.to_numpy(), shapes)
        if not self.is_refused(layer):
            shapes, overlap, gap = repair.clean_coverage(shapes)
            if max(overlap, gap) >= 0.01:
                self.find(
                    "coverage_cleaned", "repaired", layer, overlap_m2=round(overlap, 2), gap_m2=round(gap, 2)
                )
        result = gpd.GeoDataFrame(merged.reset_index(), geometry=list(shapes), crs=self.metric)
        return result[["id", "name", "code", "class", "geometry"]]

    def overlaps(self, ids: npt.NDArray[np.object_], shapes: repair.Shapes) -> None:
        """Communities may overlap by slivers only."""
        for first, second in zip(*_pairs(shapes), strict=True):
            if not repair.are_slivers(shapes[first], shapes[second]):
                area = round(float(shapely.intersection(shapes[first], shapes[second]).area), 1)
                self.find(
                    "communities_overlap", "refused", "community", (ids[first], ids[second]), area_m2=area
                )

    def streets(self, communities: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        """Single lines of the known classes."""
        layer = "streets"
        frame = self.frames[layer]
        lines = repair.explode_lines(self.shapes(layer))
        self.find_rows("left_out_empty", "repaired", layer, lines.empty)
        self.find_rows("left_out_not_line", "repaired", layer, lines.wrong)
        self.find_rows("streets_exploded", "repaired", layer, lines.several)
        self.find_rows("streets_outlined", "repaired", layer, lines.outlines)
        self.find_rows("geometry_flattened", "repaired", layer, lines.flat)
        count = len(frame)

        def column(name: str) -> Sequence[object]:
            return frame[name].tolist() if name in frame else [None] * count

        classes = np.array(read_texts(column("class")), dtype=object)
        left = np.zeros(count, dtype=bool)
        left[lines.rows] = True
        none = (classes == "") & left
        strange = ~np.isin(classes.astype(str), (*STREET_CLASSES, "")) & left
        self.find_rows("street_class_missing", "noted", layer, none, "class")
        self.find_rows(
            "street_class_unknown", "noted", layer, strange, "class", words=_words(classes[strange])
        )
        classes[none | strange] = "lane"
        levels, unread = read_numbers(column("layer"))
        self.find_rows("value_unread", "noted", layer, unread & left, "layer")
        table = pd.DataFrame(
            {
                "class": classes,
                "bridge": read_flags(column("bridge")),
                "tunnel": read_flags(column("tunnel")),
                "layer": np.clip(np.nan_to_num(levels), -99, 99).astype(np.int64),
                "oneway": read_flags(column("oneway")),
                "name": read_texts(column("name")),
            }
        ).iloc[lines.rows]
        shapes = lines.shapes
        if self.source != self.metric and len(shapes):
            shapes = np.asarray(
                gpd.GeoSeries(list(shapes), crs=self.source).to_crs(self.metric), dtype=object
            )
            far = ~np.isfinite(shapely.bounds(shapes)).all(axis=1)
            flags = np.zeros(count, dtype=bool)
            flags[lines.rows[far]] = True
            self.find_rows("left_out_far", "repaired", layer, flags)
            table, shapes = table[~far], shapes[~far]
        order = _canonical(table["class"].to_numpy(), shapes, table.drop(columns="class"))
        result = gpd.GeoDataFrame(
            table.iloc[order].reset_index(drop=True), geometry=list(shapes[order]), crs=self.metric
        )
        return result[["class", "bridge", "tunnel", "layer", "oneway", "name", "geometry"]]

    def buildings(
        self,
        done: repair.Repaired,
        communities: gpd.GeoDataFrame,
        figures: Figures | None,
        complexity: npt.NDArray[np.float64],
        missing: Missing,
    ) -> gpd.GeoDataFrame:
        """Buildings in order of their ids, each with its community and its households."""
        assert figures is not None  # noqa: S101 - the layer is there
        layer = "buildings"
        frame = self.frames[layer]
        count = len(frame)
        floors, unread = read_numbers(frame["floors"] if "floors" in frame else [None] * count)
        unread |= np.nan_to_num(floors) < 0
        floors[unread] = np.nan
        self.find_rows("value_unread", "noted", layer, unread, "floors")
        ids, unnamed = self.labels[layer], self.unnamed[layer]
        usable = done.usable
        table = pd.DataFrame(
            {
                "row": np.arange(count, dtype=np.int64),
                "id": ids,
                "use": read_texts(frame["use"] if "use" in frame else [None] * count),
                "floors": floors,
                "households": figures.households,
                "residents": figures.residents,
                "shops": figures.shops,
                "complexity": complexity,
                "village_group": read_texts(
                    frame["village_group"] if "village_group" in frame else [None] * count
                ),
                "usable": usable,
            }
        )
        # rows left out come last, so that a building's first row is one that can carry its households
        keys = table[["households", "residents", "floors", "use", "shops", "complexity", "village_group"]]
        order = _canonical(np.where(unnamed, "", ids), done.shapes, keys)
        order = order[np.argsort(~usable[order], kind="stable")]
        table, shapes = table.iloc[order].reset_index(drop=True), done.shapes[order]
        usable = table["usable"].to_numpy()
        place = np.full(count, -1, dtype=np.int64)
        place[usable] = self.places(shapes[usable], communities)
        table["building"] = tell_buildings(table["id"].to_numpy(), place, shapes, usable)
        self.tell_namesakes(table)
        joined = join_figures(table)
        table = table.assign(
            households=joined.households,
            residents=joined.residents,
            shops=joined.shops,
            unknown=joined.unknown,
        )
        for code, atoms in (("building_repeated", joined.agreeing), ("building_summed", joined.summed)):
            if len(atoms):
                self.find(code, "repaired", layer, atoms, "id")
        lost = ~usable & ~table["building"].isin(table["building"][usable]).to_numpy()
        for code, flags in (("left_out_empty", done.empty), ("left_out_no_area", done.vanished)):
            self.lost_rows(code, flags, table, lost)
        table, shapes = table[usable].reset_index(drop=True), shapes[usable]
        table["atom"] = pd.factorize(table["building"])[0].astype(np.int64)
        table["community"] = self.homes(table, shapes, place[usable])
        unknown = table["unknown"].to_numpy()
        table["estimated"] = False
        if missing == "estimate" and unknown.any():
            estimate, basis = estimate_households(table, shapely.area(shapes))
            done_ = ~np.isnan(estimate)
            table.loc[done_, "households"] = estimate[done_]
            table.loc[done_, "estimated"] = True
            for code, flags in (
                ("households_estimated", done_),
                ("households_not_residential", unknown & ~done_),
            ):
                if flags.any():
                    total = int(np.nansum(estimate[flags]))
                    rows = dict.fromkeys(table["id"][flags])
                    self.find(code, "repaired", layer, rows, "households", households=total, basis=basis)
        elif unknown.any():
            self.find("households_zero", "repaired", layer, dict.fromkeys(table["id"][unknown]), "households")
        self.note_overlaps(table, shapes)
        table["households"] = table["households"].fillna(0).round().astype(np.int64)
        outside = dict.fromkeys(table["id"][table["community"] < 0])
        if outside:
            total = int(table["households"][table["community"] < 0].sum())
            self.find("building_outside", "noted", layer, outside, households=total)
        result = gpd.GeoDataFrame(table, geometry=list(shapes), crs=self.metric)
        names = [
            "row",
            "id",
            "households",
            "unknown",
            "estimated",
            "residents",
            "use",
            "floors",
            "shops",
            "complexity",
            "village_group",
            "community",
            "atom",
        ]
        return result[[*names, "geometry"]]

    def lost_rows(self, code: str, flags: Flags, table: pd.DataFrame, lost: Flags) -> None:
        """Report rows of buildings that are left out, with the households that go with them."""
        rows = np.flatnonzero(flags)
        if len(rows):
            gone = table[lost & table["row"].isin(rows).to_numpy()]
            households = int(np.nansum(gone["households"]))
            self.find(
                f"building_{code}",
                "repaired",
                "buildings",
                self.labels["buildings"][rows],
                households=households,
            )

    def tell_namesakes(self, table: pd.DataFrame) -> None:
        """Ids that several buildings bear are told. A table joined by such ids says nothing certain."""
        named = table[["id", "building"]].drop_duplicates()
        shared = dict.fromkeys(named["id"][named["id"].duplicated()])
        if shared and any(f.code == "columns_joined" and f.layer == "buildings" for f in self.findings):
            self.find("building_id_shared_table", "refused", "buildings", shared, "id")
        elif shared:
            self.find("building_id_shared", "noted", "buildings", shared, "id")

    def places(self, shapes: repair.Shapes, communities: gpd.GeoDataFrame) -> Rows:
        """The community that holds the representative point of each shape, -1 for none."""
        found = np.full(len(shapes), -1, dtype=np.int64)
        if len(shapes):
            points = inner_points(shapes)
            point, community = communities.sindex.query(points, predicate="intersects")
            order = np.lexsort((-community, point))  # on a border: the community that comes first
            found[point[order]] = community[order]
        return found

    def homes(self, table: pd.DataFrame, shapes: repair.Shapes, found: Rows) -> Rows:
        """The community of each building: where its largest part lies. found: where each of its rows does."""
        atoms = table["atom"].to_numpy()
        if len(np.unique(atoms)) == len(atoms):
            return found
        largest = np.lexsort((np.arange(len(atoms)), -shapely.area(shapes).round(3), atoms))
        first = largest[np.unique(atoms[largest], return_index=True)[1]]
        home: Rows = found[first][atoms]
        ids = table["id"].to_numpy()
        for code, flags in (
            ("building_in_several", home != found),
            ("building_parts_apart", shapely.distance(shapes, shapes[first][atoms]) > PARTS_APART_M),
        ):
            if flags.any():
                self.find(code, "noted", "buildings", dict.fromkeys(ids[flags]), "id")
        return home

    def note_overlaps(self, table: pd.DataFrame, shapes: repair.Shapes) -> None:
        """Buildings that overlap are left as they are, and reported."""
        atoms, ids = table["atom"].to_numpy(), table["id"].to_numpy()
        first, second = _pairs(shapes)
        apart = atoms[first] != atoms[second]
        first, second = first[apart], second[apart]
        area = shapely.area(shapely.intersection(shapes[first], shapes[second]))
        much = area > OVERLAP_M2
        if much.any():
            rows = dict.fromkeys(ids[np.column_stack([first[much], second[much]]).ravel()])
            total = round(float(area[much].sum()), 1)
            self.find("buildings_overlap", "noted", "buildings", rows, area_m2=total)

    def compounds(self, done: repair.Repaired | None) -> gpd.GeoDataFrame:
        """Compounds in order of their ids; parts with one id are one."""
        if done is None:
            empty = {"id": np.array([], dtype=object), "name": np.array([], dtype=object)}
            return gpd.GeoDataFrame(empty, geometry=[], crs=self.metric)
        return self.grounds("compounds", done, {}, "compound_repeated")

    def zones(self, done: repair.Repaired, complexity: npt.NDArray[np.float64]) -> gpd.GeoDataFrame:
        """Functional zones in order of their ids; parts with one id are one."""
        frame = self.frames["zones"]
        kinds = read_texts(frame["kind"]) if "kind" in frame else [""] * len(frame)
        further = {"kind": kinds, "complexity": complexity}
        found = self.grounds("zones", done, further, "zone_repeated")
        return found.assign(kind=found["kind"].replace("", "other"))

    def grounds(
        self, layer: str, done: repair.Repaired, further: Mapping[str, Any], repeated_code: str
    ) -> gpd.GeoDataFrame:
        """A layer of named ground: id, name, the further columns, geometry; parts with one id are one."""
        frame = self.frames[layer]
        names = read_texts(frame["name"]) if "name" in frame else [""] * len(frame)
        unnamed = self.unnamed[layer]
        table = pd.DataFrame(
            {"id": self.labels[layer], "name": names, "unnamed": unnamed, "shape": done.shapes, **further}
        )
        table = table[done.usable]
        table = table.iloc[_canonical(np.where(table["unnamed"], "", table["id"]), table["shape"].to_numpy())]
        repeated = table["id"].duplicated(keep=False)
        if repeated.any():
            self.find(repeated_code, "repaired", layer, dict.fromkeys(table["id"][repeated]), "id")
        grouped = table.groupby("id", sort=False)
        merged = grouped[["name", *further]].agg(_first)
        shapes = [_merge(list(part)) for _, part in grouped["shape"]]
        result = gpd.GeoDataFrame(merged.reset_index(), geometry=shapes, crs=self.metric)
        return result[["id", "name", *further, "geometry"]]

    def note_communities(
        self, communities: gpd.GeoDataFrame, streets: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame
    ) -> None:
        """What is odd about a community, though it can be worked on."""
        shapes = communities.geometry.to_numpy()
        busy = np.isin(np.arange(len(shapes)), buildings["community"])
        hit = (
            communities.sindex.query(streets.geometry.to_numpy(), predicate="intersects")[1]
            if len(streets)
            else []
        )
        walked = np.isin(np.arange(len(shapes)), hit)
        holes = np.array(
            [any(len(p.interiors) for p in shapely.get_parts(shape)) for shape in shapes], dtype=bool
        )
        for code, flags in (
            ("community_without_buildings", ~busy),
            ("community_without_streets", ~walked),
            ("community_multipart", shapely.get_num_geometries(shapes) > 1),
            ("community_with_holes", holes),
        ):
            if flags.any():
                self.find(code, "noted", "community", communities["id"][flags])

    def original_buildings(self) -> gpd.GeoDataFrame:
        """The input's rows under the file's own names; `id` is there in any case, as the plan knows it."""
        frame = self.frames["buildings"]
        originals = dict(self.raw.originals.get("buildings", {}))
        ids = pd.Series(self.labels["buildings"], index=frame.index, dtype=object)
        named = frame.rename(columns=originals)
        if "id" not in named:
            named.insert(0, "id", ids)
        elif (pd.Series(read_texts(named["id"]), index=frame.index) != ids).any():
            named["id"] = ids
        if len(frame) == 0 and "geometry" not in frame:
            return gpd.GeoDataFrame(named, geometry=[], crs=self.source)
        return gpd.GeoDataFrame(named, geometry="geometry", crs=self.source)


# --- order, pairs, words ---


def _canonical(first: npt.ArrayLike, shapes: repair.Shapes, then: pd.DataFrame | None = None) -> Rows:
    """An order of rows whatever order they came in: by the first key, the geometry, then other columns."""
    blank = np.array([shape is None for shape in shapes], dtype=bool)
    wkb = np.empty(len(shapes), dtype=object)
    wkb[~blank] = shapely.to_wkb(shapes[~blank]) if (~blank).any() else []
    wkb[blank] = b""
    keys = pd.DataFrame({"first": np.asarray(first, dtype=object).astype(str), "wkb": wkb})
    if then is not None:
        keys = pd.concat([keys, then.add_prefix("then_").reset_index(drop=True)], axis=1)
    return keys.sort_values(list(keys.columns), kind="stable").index.to_numpy()


def _pairs(shapes: repair.Shapes) -> tuple[Rows, Rows]:
    """Pairs of shapes whose interiors may meet, each once, in order."""
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    once = first < second
    first, second = first[once], second[once]
    inside = ~shapely.touches(shapes[first], shapes[second])
    first, second = first[inside], second[inside]
    order = np.lexsort((second, first))
    return first[order], second[order]


def _first(values: pd.Series) -> Any:
    return next((value for value in values if value), "")


def _merge(parts: list[shapely.Geometry]) -> shapely.Geometry:
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def _words(values: npt.NDArray[np.object_]) -> str:
    """A few distinct words for a message; none that look like a person's number."""
    distinct = [word[:20] for word in sorted(set(map(str, values))) if not holds_personal_number(word)]
    return ", ".join(distinct[:8]) + (" …" if len(distinct) > 8 else "")
