"""Tags (ETag) of what is read, and what a client says that it has.

A page's tag holds the version of its collection, a feature's the key and version of its row, sealed, since
keys count hidden rows too, and for this time line of this database only; both a digest of who sees it and how
it is written out. So what a tag stands for is known before anything is read.

A version counts hidden changes too. So whoever may not see every change gets a digest of what is shown, which
stays as it is when something hidden changes; `service.web.shown` remembers of which version it was.
"""

from __future__ import annotations

import hashlib
import re
import struct

from service.access import Access
from service.privacy.seals import Seals


def digest(access: Access, *shaped: object) -> str:
    """Equal where equal rows are written out equally. shaped: address, form, language."""
    text = "\n".join([access.fingerprint, *map(str, shaped)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def page_tag(version: int, mark: str) -> str:
    """The tag of a page; weak, for its time stamp differs."""
    return f'W/"{version}-{mark}"'


def feature_tag(seals: Seals, row: int, version: int, mark: str) -> str:
    """The tag of a feature."""
    return f'"{seals.seal("row", struct.pack(">qq", row, version), seals.mark)}-{mark}"'


def sha256(part: bytes) -> bytes:
    """The digest that tags are made of."""
    return hashlib.sha256(part).digest()


def content_tag(mark: str, *parts: bytes) -> str:
    """The tag of an answer to somebody from whom changes may be hidden: its version would tell of these."""
    return digests_tag(mark, *map(sha256, parts))


def digests_tag(mark: str, *digests: bytes) -> str:
    """The same of parts whose digests (SHA-256) are known."""
    found = hashlib.sha256(mark.encode())
    for one in digests:
        found.update(one)
    return f'W/"c{found.hexdigest()[:24]}"'


def known_version(header: str | None, mark: str) -> int | None:
    """The version of the page that the client has, of those in If-None-Match; None if it has none."""
    for version, other in re.findall(r'"(\d{1,18})-([0-9a-f]{20})"', header or ""):
        if other == mark:
            return int(version)
    return None


def is_known(header: str | None, tag: str) -> bool:
    """Whether If-None-Match names the tag."""
    names = [one.strip().removeprefix("W/") for one in (header or "").split(",")]
    return "*" in names or tag.removeprefix("W/") in names


def row_versions(seals: Seals, header: str) -> set[tuple[int, int]] | None:
    """Keys and versions of rows that If-Match names; None where it is `*`, which any version meets.

    In which form a client read the feature is no matter to whether it saw the version it changes.
    """
    if header.strip() == "*":
        return None
    named = re.findall(r'(?:^|,)\s*"([A-Za-z0-9_-]{43})-[0-9a-f]{20}"', header)
    opened = [seals.open("row", one, seals.mark) for one in named]
    return {struct.unpack(">qq", one) for one in opened if one is not None}
