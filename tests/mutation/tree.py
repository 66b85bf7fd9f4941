"""The modules of a tree's `partition/` by dotted names, and where numba keeps their compiled kernels."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path


def module_files(root: Path) -> dict[str, Path]:
    """Each module's name below `partition`, such as `solver.seed`, and its file."""
    return {module_name(root, file): file for file in sorted((root / "partition").rglob("*.py"))}


def module_name(root: Path, file: Path) -> str:
    """The name below `partition` of a file in it."""
    return ".".join(file.relative_to(root / "partition").with_suffix("").parts)


def find_imports(text: str) -> set[str]:
    """All below `partition` that a module's text imports: the names of modules, and of what is in them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.removeprefix("partition.") for name in found if name.startswith("partition.")}


def kernel_folders(root: Path) -> dict[str, str]:
    """For each package (`partition.solver`) the folder of its kernels in NUMBA_CACHE_DIR.

    Numba names it by the path of the source, so that each copy of a tree has others.
    """
    from numba.core.caching import UserProvidedCacheLocator

    folders = {file.parent for file in module_files(root).values()}
    return {
        ".".join(folder.relative_to(root).parts): str(
            UserProvidedCacheLocator.get_suitable_cache_subpath(str(folder / "any.py"))
        )
        for folder in sorted(folders)
    }


def digest(files: list[Path]) -> str:
    """Changes if one of the files does."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes() + b"\0")
    return found.hexdigest()
