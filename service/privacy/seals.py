"""Places in an order of rows, as texts that tell nothing: neither how many rows lie between two of them, nor
that there are any. Pure.

A client keeps such a text and brings it back; whoever could read it would count the rows that are hidden from
them. It is encrypted and authenticated with AES-SIV (RFC 5297), whose key comes by HKDF (RFC 5869) from the
installation's secret. The same content for the same purpose is the same text, so that two readings of one
state are equal; what must not even be recognised again brings something of its own (a time, random bits).
"""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

OVERHEAD = 16  # bytes of a sealed text beyond its content
_WRITTEN = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


class Seals:
    """Seals texts, and opens those that it sealed. secret: of the installation, random. home: which of the
    databases that were its, for one restored from a backup has the same secret.
    """

    def __init__(self, secret: bytes, home: str = "") -> None:
        self._cipher = AESSIV(HKDF(SHA256(), 64, salt=None, info=b"wangge seals").derive(secret))
        # stands for secret and home, and tells nothing of either
        info = f"wangge seals: mark {home}".encode()
        self.mark = _written(HKDF(SHA256(), 6, salt=None, info=info).derive(secret))

    def seal(self, purpose: str, content: bytes, *about: str) -> str:
        """The content as letters, digits, `-` and `_`; as long as the content asks, whatever it is.

        purpose, about: what it is a place of; opened for anything else it is none.
        """
        return _written(self._cipher.encrypt(content, _named(purpose, about)))

    def open(self, purpose: str, text: str, *about: str) -> bytes | None:
        """The content; None if this installation did not seal it for that."""
        if not _WRITTEN.fullmatch(text):
            return None
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if len(sealed) < OVERHEAD or _written(sealed) != text:  # one text for one content
                return None
            return self._cipher.decrypt(sealed, _named(purpose, about))
        except (binascii.Error, InvalidTag):
            return None


def _named(purpose: str, about: tuple[str, ...]) -> list[bytes]:
    return [one.encode("utf-8", "surrogatepass") for one in (purpose, *about)]


def _written(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
