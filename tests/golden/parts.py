"""Golden texts of several parts, each renewed by its own test."""

from __future__ import annotations

from pathlib import Path

HEAD = "== "


def compare_part(file: Path, name: str, lines: list[str], renew: bool) -> None:
    """Whether the part of that name is these lines; `renew` writes it anew."""
    parts: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        if line.startswith(HEAD):
            own = parts[line.removeprefix(HEAD)] = []
        else:
            own.append(line)
    if renew:
        parts[name] = lines
        text = "".join(f"{HEAD}{part}\n" + "\n".join(parts[part]) + "\n" for part in sorted(parts))
        file.write_text(text, encoding="utf-8")
    assert lines == parts[name]
