"""In which encoding the text of a file stands: what is said, what a .cpg says, else what its bytes are."""

from __future__ import annotations

import codecs
import struct
import zipfile
from pathlib import Path

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
# of a large table so much is judged, bytes
JUDGED = 8_000_000


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


def table_texts(content: bytes) -> list[bytes]:
    """Names and texts of a dBASE table (.dbf), as they stand there. Empty where it is no such table."""
    if len(content) < 33:
        return []
    records, header, width = struct.unpack("<IHH", content[4:12])
    texts, spans = [], []
    at, offset = 32, 1
    while at + 32 <= min(header, len(content)) and content[at] != 0x0D:
        entry = content[at : at + 32]
        texts.append(entry[:11].split(b"\0")[0])
        if entry[11:12] == b"C":
            spans.append((offset, offset + entry[16]))
        offset += entry[16]
        at += 32
    for number in range(records if spans else 0):
        start = header + number * width
        row = content[start : start + width]
        if len(row) < width:
            break
        texts += [row[a:b].rstrip(b" \0") for a, b in spans]
    return [text for text in texts if text]


def companion(path: Path, member: str | None, suffix: str) -> bytes | None:
    """The content of a Shapefile's companion (.dbf, .cpg), beside it or in the same archive; None without."""
    if member is None:
        hit = next(
            (p for p in sorted(path.parent.glob(f"{_escape(path.stem)}.*")) if p.suffix.lower() == suffix),
            None,
        )
        return None if hit is None else hit.read_bytes()[:JUDGED]
    with zipfile.ZipFile(path) as archive:
        stem = member.rsplit(".", 1)[0]
        hit_ = next((n for n in archive.namelist() if n.lower() == f"{stem}{suffix}".lower()), None)
        return None if hit_ is None else archive.read(hit_)[:JUDGED]


def _escape(stem: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in stem)
