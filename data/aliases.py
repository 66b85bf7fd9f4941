"""What people call layers, columns and values, turned into our standard names (`aliases.toml`)."""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from partition.intake.columns import read_numbers

# two names of ours for one column: the first is what it becomes
EXACT: Mapping[tuple[str, str], tuple[str, ...]] = {("buildings", "residents"): ("residents", "population")}
# what the partition cannot do without; kinds of content as `read_numbers` sees them
NEEDED: Mapping[str, Mapping[str, str]] = {
    "community": {"id": "id"},
    "buildings": {"id": "id", "households": "number"},
}
LEAST_LIKENESS = 0.4
# a Shapefile keeps so much of a column's name
NAME_BYTES = 10


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads(files("data").joinpath("aliases.toml").read_text(encoding="utf-8"))


LAYERS = (
    "community",
    "streets",
    "buildings",
    "compounds",
    "zones",
    "facilities",
    "cases",
    "population_groups",
    "staff",
)


def plain(name: str) -> str:
    """A name without case, width, spaces, marks and what stands in brackets."""
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    text = re.sub(r"\(.*?\)|\[.*?\]", "", text)
    return re.sub(r"[\W_]+", "", text) or text


def standard_columns(layer: str) -> tuple[str, ...]:
    """The columns that a layer may have, by their standard names."""
    return tuple(_words()["columns"].get(layer, {}))


def find_layers(names: Iterable[str]) -> dict[str, list[str]]:
    """The names that mean each standard layer. One that is exactly standard excludes the others."""
    found: dict[str, list[str]] = {}
    names = list(names)
    for layer in LAYERS:
        if layer in names:
            found[layer] = [layer]
            continue
        wanted = {plain(layer), *map(plain, _words()["layers"][layer])}
        hits = [name for name in names if plain(name) in wanted and name not in LAYERS]
        if not hits:
            hits = [name for name in names if _bare(name) in wanted and name not in LAYERS]
        if hits:
            found[layer] = hits
    return found


def _bare(name: str) -> str:
    """A layer's name without an ending such as 图层 or _polygon."""
    bare = plain(name)
    for ending in sorted(map(plain, _words()["layers_endings"]["words"]), key=len, reverse=True):
        if bare.endswith(ending) and len(bare) > len(ending):
            return bare.removesuffix(ending)
    return bare


@dataclass(frozen=True)
class Naming:
    """Which column of a file becomes which standard column; and standard names that several columns claim."""

    columns: Mapping[str, str]
    ambiguous: Mapping[str, Sequence[str]] = field(default_factory=dict)


def name_columns(
    layer: str, columns: Sequence[str], chosen: Mapping[str, str], *, cut: bool = False
) -> Naming:
    """Find the standard names of a layer's columns.

    chosen: standard name → column, as the person says. Then an exact standard name, then an alias. An alias
    that could serve two standard names serves the first that has nothing better. cut: names may be cut
    short, as in a Shapefile.
    """
    named: dict[str, str] = {column: standard for standard, column in chosen.items()}
    taken = set(chosen)
    ambiguous: dict[str, list[str]] = {}
    aliases: Mapping[str, Sequence[str]] = _words()["columns"].get(layer, {})
    for standard in aliases:
        for exact in EXACT.get((layer, standard), (standard,)):
            if standard not in taken and exact in columns and exact not in named:
                named[exact] = standard
                taken.add(standard)
    for standard, words in aliases.items():
        if standard in taken:
            continue
        wanted = {plain(standard), *map(plain, words)}
        free = [c for c in columns if c not in named and c != "geometry"]
        hits = [c for c in free if plain(c) in wanted]
        if cut and not hits:
            hits = [c for c in free if _is_cut(c, (standard, *words))]
        if len(hits) == 1:
            named[hits[0]] = standard
        elif hits:
            ambiguous[standard] = hits
    return Naming(named, ambiguous)


def _is_cut(column: str, words: Iterable[str]) -> bool:
    """Whether a column is called as the beginning of one of the words that is left in ten bytes.

    A number may stand behind it: two names that were cut to one are told apart so.
    """
    name = plain(column.rstrip("\ufffd"))
    for word in words:
        for encoding in ("utf-8", "gb18030"):
            if len(word.encode(encoding)) > NAME_BYTES:
                left = word.encode(encoding)[:NAME_BYTES].decode(encoding, "ignore")
                if plain(left) in (name, name.rstrip("0123456789")):
                    return True
    return False


def suggest_column(layer: str, standard: str, frame: pd.DataFrame, named: Collection[str]) -> str | None:
    """The column of `frame` that is likeliest meant by a standard name that is missing, or None.

    Judged by likeness of the name to the standard name and its aliases, and by whether the content can be it.
    """
    wanted = [plain(standard), *map(plain, _words()["columns"][layer].get(standard, ()))]
    kind = NEEDED.get(layer, {}).get(standard, "")
    best, score = None, LEAST_LIKENESS
    for column in frame.columns:
        if column == "geometry" or column in named or not _plausible(frame[column], kind):
            continue
        name = plain(str(column))
        likeness = max(_likeness(name, word) for word in wanted)
        if likeness > score:
            best, score = str(column), likeness
    if best is None and kind == "number":
        numbers = [
            c for c in frame.columns if c != "geometry" and c not in named and _plausible(frame[c], kind)
        ]
        best = str(numbers[0]) if len(numbers) == 1 else None
    return best


def _likeness(name: str, word: str) -> float:
    ratio = difflib.SequenceMatcher(None, name, word).ratio()
    shared = set(name) & set(word)
    if any(
        "\u4e00" <= sign <= "\u9fff" for sign in shared
    ):  # one shared sign of a short Chinese word says much
        ratio = max(ratio, 0.45 + 0.1 * len(shared))
    return ratio


def _plausible(values: pd.Series, kind: str) -> bool:
    if not kind:
        return True
    if kind == "id":
        filled = values.dropna()
        return len(filled) > 0 and filled.nunique() >= max(1, 0.5 * len(filled))
    numbers, bad = read_numbers(values)
    known = numbers[~pd.isna(numbers)]
    return bool(len(known) and not bad.any() and (known >= 0).all() and (known == known.round()).all())


def standard_values(layer: str, column: str, values: pd.Series) -> pd.Series:
    """A column with the words that are understood replaced by the standard ones; others stay."""
    table: Mapping[str, Sequence[str]] = _words()["values"].get(layer, {}).get(column, {})
    if not table:
        return values
    known = {plain(word): standard for standard, words in table.items() for word in (standard, *words)}
    if (layer, column) == (
        "streets",
        "class",
    ):  # extracts of OSM carry the values of `highway` in such a column
        osm = {
            plain(word): standard for standard, words in _words()["osm"]["highway"].items() for word in words
        }
        known = {**osm, **known}
    return values.map(lambda value: known.get(plain(value), value) if isinstance(value, str) else value)


# in this order a line's kind is sought
OSM_COLUMNS = ("highway", "railway", "waterway", "natural", "barrier")


def osm_classes(frame: pd.DataFrame) -> tuple[pd.Series, pd.Series] | None:
    """The class of each line by OpenStreetMap's columns, and the word it was read from; None without these.

    A line with a value that bounds nothing (a proposed road, a platform) has the class "" and its word.
    """
    columns = [column for column in OSM_COLUMNS if column in frame]
    if not columns:
        return None
    classes, words = [""] * len(frame), [""] * len(frame)
    for column in columns:
        table = {word: standard for standard, some in _words()["osm"][column].items() for word in some}
        for row, value in enumerate(frame[column]):
            if classes[row] or not isinstance(value, str) or not value.strip():
                continue
            word = value.split(";")[0].strip().lower()
            words[row] = words[row] or f"{column}={word}"
            classes[row] = table.get(word, "")
    return pd.Series(classes, index=frame.index), pd.Series(words, index=frame.index)


def find_place(columns: Sequence[str]) -> tuple[str, str, bool] | None:
    """The columns that give a point, x first, and whether they are degrees (lon and lat); None without."""
    places = _words()["places"]
    for first, second, degrees in (("lon", "lat", True), ("x", "y", False)):
        hits = [
            next((c for c in columns if plain(c) in map(plain, places[key])), None) for key in (first, second)
        ]
        if hits[0] is not None and hits[1] is not None:
            return hits[0], hits[1], degrees
    return None
