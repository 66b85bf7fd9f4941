"""The parameters that requests may have. An unknown one is refused, a wrong value named with its reason."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.faults import MalformedError
from service.query.box import read_number, short


def _read_degrees(name: str, most: int) -> Any:
    def read(value: object) -> float:
        number = read_number(str(value))
        if number is None or abs(number) > most:
            raise MalformedError("degrees", name=name, value=short(value), most=most)
        return number

    return BeforeValidator(read)


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
