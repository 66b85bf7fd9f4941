"""Names of columns where a format has room for few bytes, or tells no capitals apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def unlike(
    names: Sequence[str], taken: Iterable[str] = (), *, most: int = 0, encoding: str = "utf-8"
) -> list[str]:
    """The names, each unlike the others and `taken` in any capitals; with `most`, of so many bytes at most.

    A name that has to change keeps its beginning and gets a number.
    """
    used = {one.casefold() for one in taken}
    made = []
    for name in names:
        short = cut(name, most, encoding)
        number = 1
        while short.casefold() in used or not short:
            tail = f"_{number}"
            short = cut(name, most - len(tail) if most else 0, encoding) + tail
            number += 1
        used.add(short.casefold())
        made.append(short)
    return made


def cut(text: str, most: int, encoding: str = "utf-8") -> str:
    """The text in at most so many bytes (0: any number); what the encoding lacks is `?`."""
    if not most:
        return text
    return text.encode(encoding, "replace")[:most].decode(encoding, "ignore")
