"""Every collection that the service shows: where it lies, what each column means, who sees it.

The only source of identifiers in SQL text of the reading side. `access.access` turns an entry into what one
principal may see. `COLLECTIONS` are built in; a `Catalogue` holds besides them those that were added to a
database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from partition.texts import Language
from service.models.base import (
    CASE_STATUSES,
    DIVISION_CLASSES,
    FACILITY_CONDITIONS,
    GRID_KINDS,
    STREET_CLASSES,
)
from service.vocabulary import named_sql

Kind = Literal["string", "integer", "number", "boolean", "date-time", "date"]
Sensitivity = Literal["open", "figures", "cases"]

By = Literal["code", "local", "row"]
Shape = Literal[
    "point",
    "multipoint",
    "linestring",
    "multilinestring",
    "polygon",
    "multipolygon",
    "point-or-multipoint",
    "linestring-or-multilinestring",
    "polygon-or-multipolygon",
    "any",
]

UNITS_EN = {"户": "households", "人": "people", "栋": "buildings", "层": "storeys"}
# The Unified Code for Units of Measure; what is counted is an annotation.
UNITS_UCUM = {"户": "{household}", "人": "{person}", "栋": "{building}", "层": "{storey}", "m²": "m2"}


@dataclass(frozen=True, eq=False)
class Column:
    """A public column: SQL over the table's alias `t`.

    least: the first role that sees it. guarded: SQL for roles that see it only in part, which are those
    before `whole`. own_rows: seen only in rows for whose exact place the principal is responsible. choices:
    all values there are. required: never null. part: its role in the feature, in the words of OGC API –
    Features Part 5. asked: shown only where `properties` names it.
    """

    name: str
    sql: str
    kind: Kind
    zh: str
    en: str
    unit: str = ""
    least: str = "public"
    guarded: str = ""
    whole: str = "planner"
    own_rows: bool = False
    writable: bool = False
    choices: tuple[str, ...] = ()
    required: bool = False
    part: str = ""
    asked: bool = False

    def unit_in(self, lang: Language) -> str:
        """The unit's name; symbols such as m² are the same in both languages."""
        return UNITS_EN.get(self.unit, self.unit) if lang == "en" else self.unit


@dataclass(frozen=True, eq=False)
class Collection:
    """A table as the outside sees it. Two are equal only if they are the same one.

    key: SQL of the feature id (text). by: how a row is found by its feature id: `code` (column of that name),
    `local` (division, colon, and what is unique within the division: column `local`), `row` (column `id`).
    geometry: SQL of the geometry (EPSG:4326), called `geometry_name` in filters; shape: its kind.
    rows: SQL predicate that holds for every row ever shown; current: for those shown where no time is asked
    about. sensitivity: open, figures (columns about households), cases (points that equal homes); for cases
    `place` is the geometry shown to those without the right to the point.
    begins, ends: SQL of the time a row is about, for `datetime`. divided: rows belong to divisions, whose
    code bounds who sees them. methods: those that change features, where `writable`; features that come, go
    and move by loading or publishing only have neither POST nor DELETE.
    """

    name: str
    table: str
    key: str
    zh: str
    en: str
    about_zh: str
    about_en: str
    columns: tuple[Column, ...]
    by: By = "local"
    local: str = ""
    sensitivity: Sensitivity = "open"
    geometry: str = "t.geom"
    geometry_name: str = "geom"
    shape: Shape = "any"
    place: str = ""
    rows: str = "true"
    current: str = "true"
    begins: str = ""
    ends: str = ""
    writable: bool = False
    methods: tuple[str, ...] = ("POST", "PUT", "PATCH", "DELETE")
    least: str = "public"
    divided: bool = True
    attribution: str = ""
    licence: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """Entries of `collection_versions` on which any answer about the collection depends."""
        return tuple({self.table, "grids"}) if self.divided else (self.table,)

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError if there is none."""
        return next(column for column in self.columns if column.name == name)


_COMMUNITY = Column("community", "t.division_code", "string", "社区编码", "code of the community")


def _guarded(expression: str, least_households: str = "t.households") -> str:
    # A figure of a handful of households is one about persons; the threshold is that of groups.toml. Versions
    # no longer in force show none: with today's they would tell what moved.
    return f"case when t.valid_to is null and {least_households} >= :floor_households then {expression} end"


def _summed(expression: str) -> str:
    return f"case when t.level < 0 then {_guarded(expression, 't.least_households')} end"


_GRIDS = Collection(
    name="grids",
    table="grids",
    key="t.code",
    zh="网格",
    en="grids",
    about_zh="已发布并现行有效的社区网格，户数等为发布当日数据。",
    about_en="Published grids in force; figures are those of the day of publication.",
    by="code",
    shape="polygon-or-multipolygon",
    columns=(
        Column("code", "t.code", "string", "网格编码", "code of the grid"),
        _COMMUNITY,
        Column("name", "t.name", "string", "名称", "name", writable=True),
        Column("tier", "t.tier", "string", "层级", "tier"),
        Column("kind", "t.kind", "string", "类别", "kind: basic, or dedicated to one zone",
               choices=GRID_KINDS),
        Column("households", "t.households", "integer", "户数", "households", "户",
               guarded=_guarded("t.households")),
        Column("residents", "t.residents", "number", "常住人口", "residents", "人",
               guarded=_guarded("t.residents")),
        Column("buildings", "t.buildings", "integer", "楼栋数", "buildings", "栋"),
        Column("buildings_unknown", "t.buildings_unknown", "integer", "户数不详的楼栋",
               "buildings whose households are unknown", "栋", least="planner"),
        Column("area_m2", "round(t.area_m2::numeric, 1)", "number", "面积", "area", "m²"),
        Column("bounds_zh", "t.bounds_zh", "string", "四至", "the four bounds, in Chinese"),
        Column("bounds_en", "t.bounds_en", "string", "四至（英文）", "the four bounds, in English"),
        Column("valid_from", "t.valid_from", "date-time", "生效时间", "in force since",
               required=True, part="primary-interval-start"),
        Column("valid_to", "t.valid_to", "date-time", "失效时间", "in force until (null: still is)",
               part="primary-interval-end"),
    ),
    sensitivity="figures",
    current="t.valid_to is null",
    begins="t.valid_from",
    ends="t.valid_to",
    writable=True,
    methods=("PUT", "PATCH"),
)  # fmt: skip

_TIERS = Collection(
    name="tiers",
    table="tiers",
    key="t.division_code || ':' || t.key",
    local="key",
    zh="片区与微网格",
    en="areas and small grids",
    about_zh="网格以上的片区（由网格组成）和网格以下的微网格（仅图形），随网格一并发布、一并停用。",
    about_en="Areas, which are made of grids, and small grids, into which grids are divided; published and "
    "closed with their grids. Small grids are shapes: they bear no figures of people but for planners.",
    shape="polygon-or-multipolygon",
    columns=(
        Column("key", "t.key", "string", "标识", "what it is called by within its community"),
        Column("code", "nullif(t.code, '')", "string", "编码", "code (null: it bears a name only)"),
        _COMMUNITY,
        Column("level", "t.level", "integer", "层级（负数在网格之上，正数在网格之下）",
               "level: below 0 above the grids, above 0 below them"),
        Column("tier_zh", "t.tier_zh", "string", "层级名称", "what its tier is called, in Chinese"),
        Column("tier_en", "t.tier_en", "string", "层级名称（英文）", "what its tier is called, in English"),
        Column("name_zh", "t.name_zh", "string", "名称", "name, in Chinese"),
        Column("name_en", "t.name_en", "string", "名称（英文）", "name, in English"),
        Column("parent", "nullif(t.parent, '')", "string", "上级",
               "key of the tier, or code of the grid, that it lies in (null: its community)"),
        Column("grids", "array_to_string(t.grids, ' ')", "string", "网格编码",
               "codes of the grids that it is made of, or of the one that it lies in"),
        # the sum of figures that are shown, or nothing: else one of them that is withheld would follow
        Column("households", "t.households", "integer", "户数", "households", "户",
               guarded=_summed("t.households")),
        Column("residents", "t.residents", "number", "常住人口", "residents", "人",
               guarded=_summed("t.residents")),
        Column("buildings", "t.buildings", "integer", "楼栋数", "buildings", "栋"),
        Column("buildings_unknown", "t.buildings_unknown", "integer", "户数不详的楼栋",
               "buildings whose households are unknown", "栋", least="planner"),
        Column("area_m2", "round(t.area_m2::numeric, 1)", "number", "面积", "area", "m²"),
        Column("valid_from", "t.valid_from", "date-time", "生效时间", "in force since",
               required=True, part="primary-interval-start"),
        Column("valid_to", "t.valid_to", "date-time", "失效时间", "in force until (null: still is)",
               part="primary-interval-end"),
    ),
    sensitivity="figures",
    current="t.valid_to is null",
    begins="t.valid_from",
    ends="t.valid_to",
    methods=(),
)  # fmt: skip

_BUILDINGS = Collection(
    name="buildings",
    table="buildings",
    key="t.division_code || ':' || t.building_id"
    " || case when t.part > 0 then '~' || t.part::text else '' end",
    local="building_id",
    shape="polygon-or-multipolygon",
    zh="楼栋",
    en="buildings",
    about_zh="楼栋轮廓与用途；户数仅限规划及指挥岗位。",
    about_en="Footprints and use; households for planners and the centre only.",
    columns=(
        Column("building_id", "t.building_id", "string", "楼号", "id of the building"),
        _COMMUNITY,
        Column("use", "t.use", "string", "用途", "use", writable=True),
        Column("floors", "t.floors", "number", "层数", "floors", "层", least="consumer", writable=True),
        Column("grid", "t.grid_code", "string", "网格编码", "code of its grid"),
        Column("households", "case when not t.households_unknown then t.households end", "integer", "户数",
               "households (null: unknown)", "户", least="planner", writable=True),
        Column("residents", "t.residents", "number", "常住人口", "residents", "人", least="planner",
               writable=True),
        Column("estimated", "t.estimated", "boolean", "户数为估算", "households are an estimate",
               least="planner"),
    ),
    sensitivity="figures",
    writable=True,
    methods=("PUT", "PATCH"),
)  # fmt: skip

_STREETS = Collection(
    name="streets",
    table="streets",
    key="t.division_code || ':' || t.ordinal::text",
    local="ordinal",
    shape="linestring",
    zh="街巷与界线",
    en="streets and barriers",
    about_zh="街巷、河流、铁路与围墙。",
    about_en="Streets, water, railways and walls.",
    columns=(
        _COMMUNITY,
        Column("name", "t.name", "string", "名称", "name", writable=True),
        Column("class", "t.class", "string", "等级", "class", writable=True, choices=STREET_CLASSES),
        Column("bridge", "t.bridge", "boolean", "桥梁", "bridge", writable=True),
        Column("tunnel", "t.tunnel", "boolean", "隧道", "tunnel", writable=True),
        Column("layer", "t.layer", "integer", "竖向层次", "vertical layer", writable=True),
        Column("oneway", "t.oneway", "boolean", "单行", "one way", writable=True),
    ),
    writable=True,
)

_FACILITIES = Collection(
    name="facilities",
    table="facilities",
    key="t.division_code || ':' || t.facility_id",
    local="facility_id",
    shape="point",
    zh="设施",
    en="facilities",
    about_zh="服务站、学校、摄像头、路灯、消防栓、井盖等。",
    about_en="Service stations, schools, cameras, lamps, hydrants, manholes and the like.",
    columns=(
        Column("code", "t.facility_id", "string", "设施编号", "code of the facility"),
        Column("name", "t.name", "string", "名称", "name", writable=True),
        Column("kind", "t.kind", "string", "类别", "kind", writable=True),
        Column(
            "condition",
            "t.condition",
            "string",
            "状态",
            "condition (empty: not known)",
            writable=True,
            choices=FACILITY_CONDITIONS,
        ),
        _COMMUNITY,
    ),
    writable=True,
)

_CASES = Collection(
    name="cases",
    table="cases",
    key="t.division_code || ':' || t.case_id",
    local="case_id",
    shape="point",
    zh="事件",
    en="cases",
    about_zh="上报事件。除指挥中心和责任网格员外，点位归并到至少含 8 栋楼的地点，敏感类别不显示。",
    about_en=(
        "Reported cases. Outside the centre and the responsible worker, points are moved to a place of at "
        "least 8 buildings and sensitive categories are withheld."
    ),
    columns=(
        Column("case_id", "t.case_id", "string", "事件编号", "id of the case"),
        _COMMUNITY,
        Column("category", "t.category", "string", "类别", "category", writable=True),
        Column(
            "category_zh",
            named_sql("t.category", "zh"),
            "string",
            "类别名称",
            "what the category is called, in Chinese",
            asked=True,
        ),
        Column(
            "category_en",
            named_sql("t.category", "en"),
            "string",
            "类别名称（英文）",
            "what the category is called, in English",
            asked=True,
        ),
        Column(
            "time",
            "t.time",
            "date-time",
            "上报时间",
            "time of the report",
            required=True,
            part="primary-instant",
        ),
        Column("due", "t.due_at", "date-time", "办结时限", "due", least="consumer", writable=True),
        Column("status", "t.status", "string", "状态", "status", writable=True, choices=CASE_STATUSES),
        Column(
            "tier", "t.tier", "string", "处置层级", "tier that handles it", least="consumer", writable=True
        ),
        Column("grid", "t.grid_code", "string", "网格编码", "code of its grid", own_rows=True),
        Column("building_id", "t.building_id", "string", "楼号", "building", own_rows=True),
    ),
    sensitivity="cases",
    place="t.place",
    begins="t.time",
    ends="t.time",
    writable=True,
    methods=("POST", "PUT", "PATCH"),
)

_COMPOUNDS = Collection(
    name="compounds",
    table="compounds",
    key="t.division_code || ':' || t.ordinal::text",
    local="ordinal",
    shape="polygon-or-multipolygon",
    zh="小区",
    en="compounds",
    about_zh="住宅小区及单位院落范围。",
    about_en="Housing estates and walled compounds.",
    columns=(
        Column("compound_id", "t.compound_id", "string", "小区编号", "id of the compound"),
        _COMMUNITY,
        Column("name", "t.name", "string", "名称", "name", writable=True),
    ),
    writable=True,
)

_COMMUNITIES = Collection(
    name="communities",
    table="divisions",
    key="t.code",
    zh="社区",
    en="communities",
    about_zh="社区范围。",
    about_en="Areas of the communities.",
    by="code",
    shape="polygon-or-multipolygon",
    columns=(
        Column("code", "t.code", "string", "社区编码", "code"),
        Column("name", "t.name", "string", "名称", "name", writable=True),
        Column(
            "class",
            "t.class",
            "string",
            "城乡类别",
            "urban or rural",
            writable=True,
            choices=DIVISION_CLASSES,
        ),
        Column("local", "t.local", "boolean", "编码为本地自编", "code is local, not official"),
        Column("synthetic", "t.synthetic", "boolean", "合成数据", "synthetic data"),
        Column("attribution", "t.attribution", "string", "数据来源", "attribution"),
    ),
    rows="t.tier = 'community'",
    writable=True,
    methods=("PUT", "PATCH"),
)

COLLECTIONS: Mapping[str, Collection] = {
    collection.name: collection
    for collection in (_GRIDS, _TIERS, _BUILDINGS, _STREETS, _FACILITIES, _CASES, _COMPOUNDS, _COMMUNITIES)
}


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The collections of a database. `version`: of what was added to those built in."""

    version: int = 0
    added: Mapping[str, Collection] = field(default_factory=dict)

    def get(self, name: str) -> Collection | None:
        """The collection called `name`."""
        return COLLECTIONS.get(name) or self.added.get(name)

    def all(self) -> tuple[Collection, ...]:
        """Those built in, then those added, by name."""
        return (*COLLECTIONS.values(), *(self.added[name] for name in sorted(self.added)))
