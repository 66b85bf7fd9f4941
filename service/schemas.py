"""The parameters that requests may have. An unknown one is refused, a wrong value named with its reason."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.faults import MalformedError

LIMIT = 100
LIMIT_MOST = 10_000


@dataclass(frozen=True)
class Box:
    """West, south, east, north in degrees (CRS84); west > east crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True)
class Span:
    """A time from begin to end, both inclusive; None is open."""

    begin: datetime | None
    end: datetime | None


def read_box(value: object) -> Box:
    """`w,s,e,n` or `w,s,bottom,e,n,top`; heights are ignored, because every geometry is flat."""
    parts = str(value).split(",")
    numbers = [number for number in map(_number, parts) if number is not None]
    if len(numbers) != len(parts) or len(numbers) not in (4, 6):
        raise MalformedError("bbox-numbers", value=_short(value))
    west, south, east, north = (
        numbers if len(numbers) == 4 else (numbers[0], numbers[1], numbers[3], numbers[4])
    )
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90):
        raise MalformedError("bbox-range", value=_short(value))
    if south > north or (len(numbers) == 6 and numbers[2] > numbers[5]):
        raise MalformedError("bbox-order", value=_short(value))
    return Box(west, south, east, north)


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII)


def read_span(value: object) -> Span:
    """An instant or `begin/end` of RFC 3339; `..` or nothing is open; a date alone is its whole day, UTC."""
    parts = str(value).split("/")
    if len(parts) > 2 or all(part in ("", "..") for part in parts):
        raise MalformedError("datetime", value=_short(value))
    ends = [_read_instant(part, value) for part in parts]
    if len(ends) == 1:
        ends *= 2
    begin = ends[0][0] if ends[0] else None
    end = ends[1][1] if ends[1] else None
    if begin is not None and end is not None and begin > end:
        raise MalformedError("datetime-order", value=_short(value))
    return Span(begin, end)


def _read_instant(part: str, value: object) -> tuple[datetime, datetime] | None:
    if part in ("", ".."):
        return None
    try:
        if _DATE.match(part):
            day = datetime.fromisoformat(part).replace(tzinfo=UTC)
            return day, day + timedelta(days=1, microseconds=-1)
        if _TIME.match(part):
            instant = datetime.fromisoformat(part.upper()).astimezone(UTC)
            return instant, instant
    except (ValueError, OverflowError):
        raise MalformedError("datetime", value=_short(value)) from None
    raise MalformedError("datetime", value=_short(value))


def _read_whole(name: str, least: int, most: int, *, clip: bool = False) -> Any:
    """clip: more than `most` is taken as `most`."""

    def read(value: object) -> int:
        text = str(value)
        whole = int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else -1
        if clip:
            whole = min(whole, most)
        if not least <= whole <= most:
            raise MalformedError("whole-number", name=name, value=_short(text), least=least, most=most)
        return whole

    return BeforeValidator(read)


def _read_degrees(name: str, most: int) -> Any:
    def read(value: object) -> float:
        number = _number(str(value))
        if number is None or abs(number) > most:
            raise MalformedError("degrees", name=name, value=_short(value), most=most)
        return number

    return BeforeValidator(read)


def _number(text: str) -> float | None:
    if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", text, re.ASCII):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:60] + "…"


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


class ItemsQuery(ItemQuery):
    """Parameters of a collection's features."""

    limit: Annotated[int, _read_whole("limit", 1, LIMIT_MOST, clip=True)] = Field(
        LIMIT, description=f"Features a page, from 1; more than {LIMIT_MOST} are never on one page."
    )
    offset: Annotated[int, _read_whole("offset", 0, 10**9)] = Field(
        0, description="Features to skip. Follow the link `next` instead: it neither skips nor repeats a row."
    )
    cursor: Annotated[int, _read_whole("cursor", 0, 10**18 - 1)] | None = Field(
        None, description="Where the page begins; part of the link `next`."
    )
    bbox: str | None = Field(
        None, description="west,south,east,north in degrees (CRS84); 6 numbers with heights are accepted."
    )
    datetime: str | None = Field(
        None, description="RFC 3339 instant, or interval begin/end with .. for open."
    )


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

    token: str = Field(description="Printed by the server.", max_length=200)
