"""Layers that the partition does not need, checked before they are stored: facilities, cases, counts, staff.

Each check takes a frame with standard column names and returns rows that the tables take; what is wrong is
added to the findings, all of it, and refused together by `check_layers`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.errors import InputError
from partition.findings import Finding, Level
from partition.intake.personal import holds_personal_number
from service.models import CASE_STATUSES, FACILITY_CONDITIONS, IDENTITY_NUMBER
from service.privacy.disclosure import rules

LAYERS = ("facilities", "cases", "population_groups", "staff")
# times without a zone are China's
CHINA = timezone(timedelta(hours=8))

STATUS_WORDS: Mapping[str, str] = {
    **{status: status for status in CASE_STATUSES},
    **dict.fromkeys(
        ("", "new", "open", "reported", "discover", "发现", "上报", "待受理", "未处理"), "discovered"
    ),
    **dict.fromkeys(("file", "accepted", "受理", "立案", "已立案", "已受理"), "filed"),
    **dict.fromkeys(
        ("dispatch", "assigned", "in_progress", "派遣", "派单", "处理中", "处置中"), "dispatched"
    ),
    **dict.fromkeys(("handle", "done", "resolved", "处置", "处理", "已处置", "已处理"), "handled"),
    **dict.fromkeys(("verify", "核查", "核实", "已核查"), "verified"),
    **dict.fromkeys(("close", "结案", "已结案", "办结", "已办结"), "closed"),
    **dict.fromkeys(("return", "rejected", "退回", "已退回"), "returned"),
}


@dataclass(frozen=True)
class Layers:
    """Checked frames with a RangeIndex each; None: the layer was not given.

    Each has `division` (int: index into the area's communities). facilities: id, kind, name, condition,
    geometry. cases: id, category, time, due, status, tier, building, geometry. population_groups: building,
    category, count. staff: assigned, role, name, phone. Geometries are points in the area's CRS.
    """

    facilities: gpd.GeoDataFrame | None = None
    cases: gpd.GeoDataFrame | None = None
    population_groups: pd.DataFrame | None = None
    staff: pd.DataFrame | None = None
    findings: tuple[Finding, ...] = ()


def check_layers(
    layers: Mapping[str, pd.DataFrame | None],
    area: Area,
    *,
    files: Mapping[str, str] | None = None,
    originals: Mapping[str, Mapping[str, str]] | None = None,
) -> Layers:
    """Check what `data/` read besides the area, without personal columns (those of staff apart).

    files: where each layer came from. originals: by layer, the file's names of columns that were renamed.
    Both are for the findings. Raises InputError with everything that is wrong.
    """
    check = _Check(area, files or {}, originals or {})
    given = {name: layers[name] for name in LAYERS if layers.get(name) is not None}
    checked: dict[str, Any] = {}
    for name, frame in given.items():
        assert frame is not None  # noqa: S101 - chosen so
        checked[name] = getattr(check, name)(frame.reset_index(drop=True))
    refused = [finding for finding in check.findings if finding.level == "refused"]
    if refused:
        raise InputError(refused)
    return Layers(**checked, findings=tuple(check.findings))


@dataclass
class _Check:
    area: Area
    files: Mapping[str, str]
    originals: Mapping[str, Mapping[str, str]]
    findings: list[Finding] = field(default_factory=list)

    # --- layers ---

    def facilities(self, frame: pd.DataFrame) -> gpd.GeoDataFrame | None:
        layer = "facilities"
        if not self._has(layer, frame, "kind", "geometry"):
            return None
        ids = self._ids(layer, frame)
        points = self._points(layer, frame, ids)
        self._no_identity(layer, frame, ids, "name")
        found = gpd.GeoDataFrame(
            {
                "division": self._division(points),
                "id": ids,
                "kind": _words(frame, "kind").replace("", "other"),
                "name": _words(frame, "name"),
                "condition": self._conditions(frame, ids),
            },
            geometry=points,
        )
        return found[points.notna()].reset_index(drop=True)

    def _conditions(self, frame: pd.DataFrame, ids: pd.Series) -> pd.Series:
        """The conditions of facilities; words that are none of ours are noted and count as not known."""
        words = _words(frame, "condition").str.lower()
        known = words.isin(FACILITY_CONDITIONS)
        if not known.all():
            some = [word for word in sorted(set(words[~known]))[:8] if not holds_personal_number(word)]
            self._find(
                "intake_condition_unknown",
                "noted",
                "facilities",
                ids[~known],
                "condition",
                words=", ".join(some),
                known=", ".join(filter(None, FACILITY_CONDITIONS)),
            )
        return words.where(known, "")

    def cases(self, frame: pd.DataFrame) -> gpd.GeoDataFrame | None:
        layer = "cases"
        if not self._has(layer, frame, "category", "time"):
            return None
        ids = self._ids(layer, frame)
        status = _words(frame, "status").str.lower()
        known = status.isin(list(STATUS_WORDS))
        if not known.all():
            words = ", ".join(sorted(set(status[~known])))
            self._find(
                "intake_status_unknown",
                "refused",
                layer,
                ids[~known],
                "status",
                words=words,
                known=", ".join(CASE_STATUSES),
            )
        self._needed(layer, frame, ids, "category")
        buildings = _words(frame, "building")
        points = self._case_points(frame, ids, buildings)
        return gpd.GeoDataFrame(
            {
                "division": self._division(points),
                "id": ids,
                "category": _words(frame, "category"),
                "time": self._times(layer, frame, ids, "time", needed=True),
                "due": self._times(layer, frame, ids, "due", needed=False),
                "status": status.map(STATUS_WORDS),
                "tier": _words(frame, "tier"),
                "building": buildings,
            },
            geometry=points,
        )

    def population_groups(self, frame: pd.DataFrame) -> pd.DataFrame | None:
        layer = "population_groups"
        if not self._has(layer, frame, "building", "category", "count"):
            return None
        rows = _numbers(frame)
        buildings = _words(frame, "building")
        keys = {rule.name: name for name, rule in rules().groups.items()}
        for name, rule in rules().groups.items():
            keys |= {label.lower(): name for label in rule.label.values()}
        category = _words(frame, "category").str.lower().map(keys)
        if category.isna().any():
            words = ", ".join(sorted(set(_words(frame, "category")[category.isna()])))
            known = ", ".join(sorted(rules().groups))
            self._find(
                "intake_group_unknown",
                "refused",
                layer,
                rows[category.isna()],
                "category",
                words=words,
                known=known,
            )
        count = pd.to_numeric(frame["count"], errors="coerce")
        wrong = ~(count.ge(0) & count.mod(1).eq(0))
        if wrong.any():
            self._find("intake_count_wrong", "refused", layer, rows[wrong], "count")
        community = self._community_of_building(layer, buildings, rows)
        if wrong.any() or category.isna().any():
            return None
        found = pd.DataFrame(
            {
                "division": community,
                "building": buildings,
                "category": category,
                "count": count.astype("int64"),
            }
        )
        repeated = found.duplicated(["building", "category"], keep=False)
        if repeated.any():
            self._find("intake_group_repeated", "repaired", layer, rows[repeated], "count")
        kept = found[found["division"] >= 0]
        return kept.groupby(["division", "building", "category"], sort=True)[["count"]].sum().reset_index()

    def staff(self, frame: pd.DataFrame) -> pd.DataFrame | None:
        layer = "staff"
        if not self._has(layer, frame, "role", "name"):
            return None
        rows = _numbers(frame)
        self._needed(layer, frame, rows, "role")
        self._needed(layer, frame, rows, "name")
        for column in ("role", "name", "phone"):
            self._no_identity(layer, frame, rows, column)
        assigned = _words(frame, "grid")
        community = self._community_of_staff(layer, frame, assigned, rows)
        found = pd.DataFrame(
            {
                "division": community,
                "assigned": assigned,
                "role": _words(frame, "role"),
                "name": _words(frame, "name"),
                "phone": _words(frame, "phone"),
            }
        )
        key = ["division", "assigned", "role", "name"]
        repeated = found.duplicated(key, keep="last")
        if repeated.any():
            self._find("intake_staff_repeated", "repaired", layer, rows[repeated])
        return found[~repeated & (found["division"] >= 0)].reset_index(drop=True)

    # --- what they share ---

    def _find(
        self, code: str, level: Level, layer: str, rows: Any = (), column: str = "", **values: object
    ) -> None:
        shown = self.originals.get(layer, {}).get(column, column)
        found = Finding(code, level, layer, shown, tuple(map(str, rows)), values, self.files.get(layer, ""))
        self.findings.append(found)

    def _has(self, layer: str, frame: pd.DataFrame, *columns: str) -> bool:
        lacking = [column for column in columns if column not in frame.columns]
        for column in lacking:
            self._find(
                "intake_column_missing",
                "refused",
                layer,
                (),
                column,
                columns=", ".join(map(str, frame.columns)),
            )
        return not lacking

    def _needed(self, layer: str, frame: pd.DataFrame, ids: pd.Series, column: str) -> None:
        empty = _words(frame, column) == ""
        if empty.any():
            self._find("intake_value_missing", "refused", layer, ids[empty], column)

    def _no_identity(self, layer: str, frame: pd.DataFrame, ids: pd.Series, column: str) -> None:
        numbers = (
            _words(frame, column).map(lambda word: re.search(IDENTITY_NUMBER, word) is not None).astype(bool)
        )
        if numbers.any():
            self._find("intake_identity_number", "refused", layer, ids[numbers], column)

    def _ids(self, layer: str, frame: pd.DataFrame) -> pd.Series:
        """Ids of the rows; those that lack one get it from their content, the same at each load."""
        ids = _words(frame, "id")
        lacking = ids == ""
        if lacking.any():
            content = pd.Series("", index=frame.index, dtype=object)
            for column in frame.columns.drop("geometry", errors="ignore"):
                content += "|" + _words(frame, column)
            if "geometry" in frame.columns:
                shapes = shapely.to_wkt(frame["geometry"].to_numpy(), rounding_precision=7)
                content += [f"|{shape or ''}" for shape in shapes]
            made = content.map(lambda text: hashlib.sha256(text.encode()).hexdigest()[:12])
            nth = made.groupby(made).cumcount()
            ids = ids.where(~lacking, "~" + made + np.where(nth > 0, "-" + nth.astype(str), ""))
            self._find("intake_id_made", "noted", layer, _numbers(frame)[lacking], "id")
        repeated = ids.duplicated(keep=False)
        if repeated.any():
            self._find("intake_id_repeated", "refused", layer, sorted(set(ids[repeated])), "id")
        self._no_identity(layer, frame.assign(id=ids), ids, "id")
        return ids

    def _points(self, layer: str, frame: pd.DataFrame, ids: pd.Series) -> gpd.GeoSeries:
        """One point a row in the area's CRS; none where the geometry is empty."""
        geometry = gpd.GeoSeries(frame["geometry"], crs=getattr(frame, "crs", None))
        if geometry.crs is None:
            self._find("intake_crs_missing", "refused", layer)
            geometry = geometry.set_crs(self.area.source_crs)
        empty = geometry.isna() | geometry.is_empty
        if empty.any():
            self._find("intake_point_missing", "noted", layer, ids[empty])
        shapes = geometry.where(~empty, None).to_crs(self.area.crs)
        surfaces = ~empty & (shapes.geom_type != "Point")
        if surfaces.any():
            self._find("intake_point_made", "repaired", layer, ids[surfaces])
            shapes = shapes.where(~surfaces, shapes.representative_point())
        far = ~empty & ~np.isfinite(shapes.x.fillna(0.0))
        if far.any():
            self._find("intake_point_out_of_range", "refused", layer, ids[far])
        return gpd.GeoSeries(list(shapely.force_2d(shapes.to_numpy())), crs=self.area.crs)

    def _case_points(self, frame: pd.DataFrame, ids: pd.Series, buildings: pd.Series) -> gpd.GeoSeries:
        """The case's own point, else its building's."""
        if "geometry" in frame.columns:
            own = frame["geometry"].notna() & ~gpd.GeoSeries(frame["geometry"]).is_empty
            points = self._points(
                "cases", gpd.GeoDataFrame(frame.loc[own, ["geometry"]], crs=frame.crs), ids[own]
            )
            points = pd.Series(points.to_numpy(), index=ids.index[own]).reindex(ids.index)
        else:
            points = pd.Series([None] * len(frame), index=ids.index, dtype=object)
        rows = self.area.buildings.drop_duplicates("id")
        rows = rows[~rows["id"].isin(self._shared())]
        by_building = dict(zip(rows["id"], rows.geometry.representative_point(), strict=True))
        found = [
            by_building.get(building) if point is None or pd.isna(point) else point
            for point, building in zip(points, buildings, strict=True)
        ]
        nowhere = np.array([point is None for point in found], dtype=bool)
        if nowhere.any():
            self._find("intake_case_nowhere", "refused", "cases", ids[nowhere])
        return gpd.GeoSeries(found, crs=self.area.crs)

    def _division(self, points: gpd.GeoSeries) -> pd.Series:
        """The community that holds each point, else the nearest: a lamp across the street is its own."""
        communities = self.area.communities.geometry.to_numpy()
        found = np.full(len(points), -1, dtype=np.int64)
        present = np.flatnonzero(points.notna().to_numpy())
        if len(present) and len(communities):
            point, community = shapely.STRtree(communities).query_nearest(points.to_numpy()[present])
            order = np.lexsort((-community, point))
            found[present[point[order]]] = community[order]
        return pd.Series(found, index=points.index)

    def _times(
        self, layer: str, frame: pd.DataFrame, ids: pd.Series, column: str, *, needed: bool
    ) -> pd.Series:
        if column not in frame.columns:
            return pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
        raw = frame[column]
        parsed = raw.map(_moment)
        wrong = parsed.isna() & (raw.notna() & (raw.astype(str).str.strip() != "") if not needed else True)
        if wrong.any():
            self._find("intake_time_wrong", "refused", layer, ids[wrong], column)
        return pd.to_datetime(parsed, utc=True)

    def _community_of_building(self, layer: str, buildings: pd.Series, rows: pd.Series) -> pd.Series:
        known = self.area.buildings.drop_duplicates("id").set_index("id")["community"]
        community = buildings.map(known)
        shared = buildings.isin(self._shared())
        if shared.any():
            self._find("intake_building_shared", "refused", layer, rows[shared], "building")
        if community.isna().any():
            self._find("intake_building_unknown", "refused", layer, rows[community.isna()], "building")
        outside = community.eq(-1)
        if outside.any():
            self._find("intake_building_outside", "noted", layer, rows[outside], "building")
        return community.fillna(-1).astype("int64")

    def _shared(self) -> set[str]:
        """Ids that buildings of several communities bear: alone they do not tell which is meant."""
        buildings = self.area.buildings[["id", "atom"]].drop_duplicates()
        return set(buildings["id"][buildings["id"].duplicated()])

    def _community_of_staff(
        self, layer: str, frame: pd.DataFrame, assigned: pd.Series, rows: pd.Series
    ) -> pd.Series:
        """By the column `community`, else by the code's beginning, else the only community there is."""
        communities = list(self.area.communities.itertuples())
        named = _words(frame, "community")

        def find(name: str, grid: str) -> int:
            for number, community in enumerate(communities):
                if name and name in (community.id, community.code, community.name):
                    return number
                if not name and grid.startswith(community.code or f"{community.id}-"):
                    return number
            return 0 if len(communities) == 1 and not name else -1

        found = pd.Series(
            [find(name, grid) for name, grid in zip(named, assigned, strict=True)], index=frame.index
        )
        lost = found.lt(0)
        if lost.any():
            self._find("intake_staff_nowhere", "refused", layer, rows[lost], "grid")
        return found.astype("int64")


def _words(frame: pd.DataFrame, column: str) -> pd.Series:
    """The column as trimmed text, "" where empty or absent; 12.0 is "12"."""
    if column not in frame.columns:
        return pd.Series("", index=frame.index, dtype=object)
    return frame[column].map(_word).astype(object)


def _word(value: object) -> str:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _numbers(frame: pd.DataFrame) -> pd.Series:
    return pd.Series([f"#{number}" for number in range(1, len(frame) + 1)], index=frame.index)


def _moment(value: object) -> pd.Timestamp | None:
    try:
        moment = pd.Timestamp(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None
    if pd.isna(moment):
        return None
    return (moment.tz_localize(CHINA) if moment.tzinfo is None else moment).tz_convert("UTC")
