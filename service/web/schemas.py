"""The parameters that requests may have. An unknown one is refused, a wrong value named with its reason."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from service.faults import MalformedError
from service.models.base import IDENTITY_NUMBER
from service.query.box import read_number, short

_IDENTITY = re.compile(IDENTITY_NUMBER)


def _read_degrees(name: str, most: int) -> Any:
    def read(value: object) -> float:
        number = read_number(str(value))
        if number is None or abs(number) > most:
            raise MalformedError("degrees", name=name, value=short(value), most=most)
        return number

    return BeforeValidator(read)


def _plain(name: str) -> Any:
    def read(value: object) -> object:
        if isinstance(value, str) and "\x00" in value:
            raise MalformedError("parameter-value", name=name, value="U+0000", choice="UTF-8")
        return value

    return BeforeValidator(read)


def _read_count(name: str, most: int) -> Any:
    def read(value: object) -> object:
        text = str(value)
        if value is None or (text.isascii() and text.isdecimal() and 1 <= int(text[:19]) <= most):
            return value
        raise MalformedError("whole-number", name=name, value=short(text), least=1, most=most)

    return BeforeValidator(read)


def _read_words(value: str, info: ValidationInfo) -> str:
    if "\x00" in value:
        raise MalformedError("write-character", name=info.field_name)
    if _IDENTITY.search(value):
        raise MalformedError("write-identity", name=info.field_name)
    return value


# a text that can be stored and says nobody's identity number
Words = Annotated[str, AfterValidator(_read_words)]


class PageQuery(BaseModel):
    """Parameters that every answer has."""

    model_config = ConfigDict(extra="forbid")

    f: Literal["json", "html"] | None = Field(
        None, description="Form of the answer; default: what Accept asks for."
    )
    lang: Literal["zh", "en"] | None = Field(
        None, description="Language; default: what Accept-Language asks for."
    )


class ItemQuery(BaseModel):
    """Parameters of one feature."""

    model_config = ConfigDict(extra="forbid")

    f: Literal["json", "geojson"] | None = Field(None, description="GeoJSON is the only form.")
    lang: Literal["zh", "en"] | None = Field(None, description="Language of error texts.")


class SchemaQuery(BaseModel):
    """Parameters of a schema."""

    model_config = ConfigDict(extra="forbid")

    f: Literal["json"] | None = Field(None, description="JSON Schema is the only form.")
    lang: Literal["zh", "en"] | None = Field(None, description="Language of titles and texts.")


class LocateQuery(ItemQuery):
    """A point."""

    lon: Annotated[float, _read_degrees("lon", 180)] = Field(description="Degrees east.")
    lat: Annotated[float, _read_degrees("lat", 90)] = Field(description="Degrees north.")


class HealthQuery(BaseModel):
    """The one parameter that every address has."""

    model_config = ConfigDict(extra="forbid")

    lang: Literal["zh", "en"] | None = Field(None, description="Language of error texts.")


class MapQuery(BaseModel):
    """Parameters of a map."""

    model_config = ConfigDict(extra="forbid")

    lang: Literal["zh", "en"] | None = Field(None, description="Language shown first; both are in the page.")


class LoginQuery(PageQuery):
    """A one-time login link."""

    token: str | None = Field(None, description="Printed by the server.", max_length=200)


class FiguresQuery(BaseModel):
    """Figures of groups in a community."""

    model_config = ConfigDict(extra="forbid")

    division: Annotated[str, _plain("division")] = Field(description="Code of the community.")
    category: Annotated[str | None, _plain("category")] = Field(None, description="Key of one group.")
    f: Literal["json"] | None = Field(None, description="JSON is the only form.")
    lang: Literal["zh", "en"] | None = Field(None, description="Language of labels.")


class RatesQuery(BaseModel):
    """Rates of cases in a community."""

    model_config = ConfigDict(extra="forbid")

    division: Annotated[str, _plain("division")] = Field(description="Code of the community.")
    datetime: Annotated[str | None, _plain("datetime")] = Field(
        None, description="Cases of this time only: an instant, a date, or begin/end of RFC 3339."
    )
    f: Literal["json"] | None = Field(None, description="JSON is the only form.")
    lang: Literal["zh", "en"] | None = Field(None, description="Language of error texts.")


class ViewQuery(BaseModel):
    """The filters of the command centre's page; `service.centre.question` reads them."""

    model_config = ConfigDict(extra="allow")

    category: list[str] | None = Field(None, description="Category of cases, as in the data; repeatable.")
    status: list[str] | None = Field(None, description="Status, or `open`: not closed; repeatable.")
    tier: list[str] | None = Field(
        None, description="Tier that handles the case, for roles that know it; repeatable."
    )
    last: str | None = Field(None, description="The latest `24h`, `7d` or `30d`; default: `30d`.")
    datetime: str | None = Field(
        None,
        description="Cases of this time instead of the latest: an instant, a date, or begin/end of RFC 3339.",
    )
    hours: str | None = Field(
        None, description="Hours of the day in Beijing: `8-18` is from 8:00 until 18:00; also `22-6`, `7,12`."
    )
    weekdays: str | None = Field(None, description="Days of the week in Beijing, Monday is 1: `1-5`, `6,7`.")
    rate: str | None = Field(
        None, description="Cases for every 1,000 `households` or `residents`; else numbers of cases."
    )
    previous: str | None = Field(
        None, description="`true`: the map shows the difference to the time just before, equally long."
    )
    lang: Literal["zh", "en"] | None = Field(None, description="Language of error texts; answers have both.")


class CaseViewQuery(ViewQuery):
    """Figures of a view."""

    f: Literal["json"] | None = Field(None, description="JSON is the only form.")


class AreaViewQuery(CaseViewQuery):
    """Figures of a view, perhaps of an area alone."""

    area: str | None = Field(
        None, description="Id of an area in force, as in the collection `tiers`: of its grids alone."
    )


class SurfaceQuery(CaseViewQuery):
    """The surface of a view."""

    frames: str | None = Field(None, description="Steps in time that are drawn besides, 2 to 24.")


class CompareQuery(BaseModel):
    """What is compared; `service.centre.question` reads the filters."""

    model_config = ConfigDict(extra="allow")

    left: str | None = Field(
        None,
        description="A plan (`plan:12`), a month in Beijing (`2026-09`) or a span as of `datetime`; default:"
        " the month before the right one.",
    )
    right: str | None = Field(
        None, description="The same for the right map; default: the latest month. Both are of one kind."
    )
    category: list[str] | None = Field(None, description="Category of cases, as in the data; repeatable.")
    status: list[str] | None = Field(None, description="Status, or `open`: not closed; repeatable.")
    tier: list[str] | None = Field(
        None, description="Tier that handles the case, for roles that know it; repeatable."
    )
    hours: str | None = Field(None, description="Hours of the day in Beijing: `8-18`, `22-6`, `7,12`.")
    weekdays: str | None = Field(None, description="Days of the week in Beijing, Monday is 1: `1-5`, `6,7`.")
    rate: str | None = Field(
        None, description="Cases for every 1,000 `households` or `residents`; else numbers of cases."
    )
    lang: Literal["zh", "en"] | None = Field(None, description="Language shown first; both are in the page.")


class BaseQuery(BaseModel):
    """The ground below the command centre's page."""

    model_config = ConfigDict(extra="forbid")

    bbox: Annotated[str | None, _plain("bbox")] = Field(
        None, description="Only the buildings in this box: west,south,east,north in degrees."
    )
    f: Literal["json"] | None = Field(None, description="JSON is the only form.")
    lang: Literal["zh", "en"] | None = Field(None, description="Language of error texts.")


class AuditQuery(BaseModel):
    """Which lines of the audit."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[str | None, _plain("since")] = Field(None, description="From this date or time on.")
    until: Annotated[str | None, _plain("until")] = Field(None, description="Before this date or time.")
    subject: Annotated[str | None, _plain("subject")] = Field(None, description="Who.")
    division: Annotated[str | None, _plain("division")] = Field(
        None, description="Prefix of the division's code."
    )
    category: Annotated[str | None, _plain("category")] = Field(None, description="Key of a group.")
    action: Annotated[str | None, _plain("action")] = Field(None, description="What was done.")
    limit: Annotated[int, _read_count("limit", 1000)] = Field(100, ge=1, le=1000, description="Lines a page.")
    before: Annotated[int | None, _read_count("before", 10**18)] = Field(
        None, ge=1, description="Lines before this number; part of the link `next`."
    )
    f: Literal["json"] | None = Field(None, description="JSON is the only form.")
    lang: Literal["zh", "en"] | None = Field(None, description="Language of error texts.")
