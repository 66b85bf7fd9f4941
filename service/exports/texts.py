"""Exports as text: what stands before, between and after the rows that PostgreSQL writes."""

from __future__ import annotations

import json
from collections.abc import Iterator

from service.exports.formats import Encoding
from service.store.exports import Place, Rows

BOM = "\ufeff"


def geojson(rows: Rows) -> Iterator[bytes]:
    """A FeatureCollection of RFC 7946, a feature a line; how many there are stands at its end."""
    rows.select_geojson()
    name = json.dumps(rows.collection.name, ensure_ascii=False)
    head = f'{{"type":"FeatureCollection","name":{name},"features":[\n'.encode()
    count = 0
    while batch := rows.fetch():
        yield head + b",\n".join([row[0] for row in batch])
        head = b",\n"
        count += len(batch)
    yield (b"" if count else head) + f'\n],"numberReturned":{count}}}\n'.encode()


def csv(rows: Rows, encoding: Encoding, place: Place) -> Iterator[bytes]:
    """A table of RFC 4180 with a line of headings."""
    rows.select_csv(place)
    names = [one.name for one in rows.headings] + csv_places(rows, place)
    line = ",".join(_cell(name) for name in names) + "\r\n"
    yield ((BOM if encoding == "UTF-8-BOM" else "") + line).encode()
    while batch := rows.fetch():
        yield b"\r\n".join([row[0] for row in batch]) + b"\r\n"


def csv_places(rows: Rows, place: Place) -> list[str]:
    """The headings of the geometry."""
    if place == "none":
        return []
    if place == "wkt":
        return ["wkt"]
    return ["x", "y"] if rows.question.crs.metric else ["lon", "lat"]


def _cell(name: str) -> str:
    guarded = f"'{name}" if name[:1] in tuple("=+-@\t\r\n＝＋－＠") else name
    if any(sign in guarded for sign in ',"\r\n'):
        return '"' + guarded.replace('"', '""') + '"'
    return guarded
