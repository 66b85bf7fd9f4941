"""In which encoding the text of a file stands: what is said, what a .cpg says, else what its bytes are."""

from __future__ import annotations

import codecs
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

# a dBASE table keeps so much of a column's name
NAME_BYTES = 10
# GB18030 holds GBK and GB2312 entire
CHINESE = "GB18030"
_ALIASES = {
    "gb2312": CHINESE,
    "gbk": CHINESE,
    "cp936": CHINESE,
    "936": CHINESE,
    "gb18030": CHINESE,
    "54936": CHINESE,
}
_ALIASES |= {"65001": "UTF-8", "utf8": "UTF-8", "utf-8": "UTF-8", "ansi936": CHINESE, "euccn": CHINESE}


def find_codec(name: str) -> str | None:
    """The encoding as Python knows it (Chinese ones by their superset), or None where there is no such."""
    plain = name.strip().lower().replace("_", "-")
    known = _ALIASES.get(plain) or _ALIASES.get(plain.replace("-", "").replace(" ", ""))
    if known:
        return known
    try:
        return codecs.lookup(plain).name
    except LookupError:
        return None


def detect_encoding(content: bytes) -> str:
    """UTF-8 if the bytes are valid UTF-8 (a byte-order mark is allowed for), else GB18030."""
    return "UTF-8" if _is_valid(content, "utf-8") else CHINESE


def fits(content: list[bytes], encoding: str) -> bool:
    """Whether every text can be read in the encoding; one cut off at its field's end may be."""
    return all(_is_valid(text, encoding) for text in content)


def _is_valid(content: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(content)
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True)
class Span:
    """Where a text stands in a dBASE table, and whether it is a column's name."""

    start: int
    stop: int
    is_name: bool


def table_spans(content: bytes) -> list[Span]:
    """Where names and texts stand in a dBASE table (.dbf). Empty where it is no such table."""
    if len(content) < 33:
        return []
    records, header, width = struct.unpack("<IHH", content[4:12])
    names, columns = [], []
    at, offset = 32, 1
    while at + 32 <= min(header, len(content)) and content[at] != 0x0D:
        name = content[at : at + 11].split(b"\0")[0]
        names.append(Span(at, at + len(name), True))
        if content[at + 11 : at + 12] == b"C":
            columns.append((offset, offset + content[at + 16]))
        offset += content[at + 16]
        at += 32
    whole = min(records, (len(content) - header) // width) if width else 0
    starts = (header + number * width for number in range(whole))
    return names + [Span(start + a, start + b, False) for start in starts for a, b in columns]


def table_texts(content: bytes) -> list[bytes]:
    """Names and texts of a dBASE table, as they stand there."""
    texts = (content[span.start : span.stop].rstrip(b" \0") for span in table_spans(content))
    return [text for text in texts if text]


def mend_table(content: bytes, encoding: str) -> bytes:
    """The table without the broken signs that names and texts end in where they were cut to their width.

    Names that become one by this (社区编号 and 社区编码) get a number.
    """
    mended = bytearray(content)
    names: set[bytes] = set()
    for span in table_spans(content):
        text = content[span.start : span.stop].rstrip(b" \0")
        try:
            text.decode(encoding)
        except UnicodeDecodeError as error:
            blank = b"\0" if span.is_name else b" "
            start = span.start + error.start
            mended[start : span.stop] = blank * (span.stop - start)
        if span.is_name:
            name = _free_name(bytes(mended[span.start : span.stop]).rstrip(b"\0"), names, encoding)
            names.add(name)
            mended[span.start : span.start + NAME_BYTES] = name.ljust(NAME_BYTES, b"\0")
    return bytes(mended)


def _free_name(name: bytes, taken: set[bytes], encoding: str) -> bytes:
    """The name, or its beginning with the first number that nobody has."""
    found, number = name, 1
    while found in taken:
        number += 1
        mark = str(number).encode()
        found = name[: NAME_BYTES - len(mark)].decode(encoding, "ignore").encode(encoding) + mark
    return found


def companion(path: Path, member: str | None, suffix: str) -> bytes | None:
    """The content of a Shapefile's part (.dbf, .cpg), beside it or in the same archive; None without."""
    if member is None:
        hit = next(
            (p for p in sorted(path.parent.glob(f"{_escape(path.stem)}.*")) if p.suffix.lower() == suffix),
            None,
        )
        return None if hit is None else hit.read_bytes()
    with zipfile.ZipFile(path) as archive:
        stem = member.rsplit(".", 1)[0]
        hit_ = next((n for n in archive.namelist() if n.lower() == f"{stem}{suffix}".lower()), None)
        return None if hit_ is None else archive.read(hit_)


def _escape(stem: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in stem)
