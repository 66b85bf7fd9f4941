"""Which tests can find a fault, fastest first; and which compiled kernels it makes stale."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.mutation.mutants import Mutant, walk_names
from tests.mutation.tree import find_imports, module_files

Table = dict[str, tuple[float, list[tuple[str, int]]]]


class Choice:
    """`table` is what `reach` learnt: processor seconds and lines run of each test that passes.

    A kernel's lines are not seen when they run. Its tests are those in files that import its module, and of
    the Python functions that mention it, or mention what mentions it; the same for what is done when a module
    is imported, such as constants. Where that finds none, it is the tests in files that mention the module.
    """

    def __init__(self, root: Path, table: Table) -> None:
        self.seconds = {test: seconds for test, (seconds, _) in table.items()}
        self.by_line: dict[tuple[str, int], set[str]] = defaultdict(set)
        for test, (_, lines) in table.items():
            for module, line in lines:
                self.by_line[module, line].add(test)
        self.texts = {file: file.read_text() for file in sorted((root / "tests").rglob("test_*.py"))}
        self.imported = {file: find_imports(text) for file, text in self.texts.items()}
        self.root = root
        self.definitions: list[tuple[str, str, bool, tuple[int, int], frozenset[str]]] = []
        self.imports: dict[str, set[str]] = {}
        self.kernels: set[str] = set()
        files = module_files(root)
        for module, file in files.items():
            text = file.read_text()
            self.definitions += [(module, *found) for found in walk_names(ast.parse(text))]
            self.imports[module] = find_imports(text) & set(files)
            if "njit" in text:
                self.kernels.add(module)

    def tests(self, mutant: Mutant, budget: float) -> list[str]:
        """Tests that reach the mutant, as far as `budget` seconds of processor time carry: the fastest first,
        those of its own test file and golden texts before others.
        """
        own = mutant.module.rpartition(".")[2]
        if mutant.traced:
            reached = self._of_lines(mutant.module, mutant.lines)
        else:
            above = self._above(mutant.module)
            reached = self._of_files({f for f in self.texts if mutant.module in self.imported[f]})
            for name in mutant.name.split():
                reached |= self._of_name(name, above, set())
                reached |= self._of_body(mutant.module, name)
        if not reached:
            mention = re.compile(rf"\bpartition\.{re.escape(mutant.module)}\b")
            named = {f for f, text in self.texts.items() if mention.search(text) or f.stem == f"test_{own}"}
            reached = self._of_files(named | {f for f in self.texts if mutant.module in self.imported[f]})
        likely = f"/test_{own}.py::", "/golden/"
        rank = {t: self.seconds[t] * (0.2 if any(part in t for part in likely) else 1.0) for t in reached}
        chosen, spent = [], 0.0
        for test in sorted(reached, key=lambda t: (rank[t], t)):
            spent += self.seconds[test]
            if chosen and spent > budget:
                break
            chosen.append(test)
        return chosen

    def stale(self, mutant: Mutant) -> list[str]:
        """Modules with kernels whose compiled code holds what the mutant changes."""
        if mutant.traced:
            return []
        return sorted(self._above(mutant.module) & self.kernels)

    def _above(self, module: str) -> set[str]:
        """The module and all that import it, or import what does."""
        above, grown = {module}, True
        while grown:
            more = {user for user, below in self.imports.items() if below & above} | above
            grown, above = more != above, more
        return above

    def _of_files(self, files: set[Path]) -> set[str]:
        paths = {file.relative_to(self.root).as_posix() for file in files}
        return {test for test in self.seconds if test.split("::")[0] in paths}

    def _of_lines(self, module: str, lines: tuple[int, int]) -> set[str]:
        return set().union(*(self.by_line[module, line] for line in range(lines[0], lines[1] + 1)))

    def _of_body(self, module: str, name: str) -> set[str]:
        """Tests that run a line of a definition of this module."""
        met = [d for d in self.definitions if d[0] == module and d[1] == name and d[3][0]]
        return set().union(*(self._of_lines(module, d[3]) for d in met))

    def _of_name(self, name: str, above: set[str], done: set[str]) -> set[str]:
        """Tests that run a Python function above which mentions the name, or mentions what mentions it."""
        reached: set[str] = set()
        done.add(name)
        for module, user, blind, lines, names in self.definitions:
            if name in names and user != name and module in above:
                if not blind:
                    reached |= self._of_lines(module, lines)
                elif user not in done:
                    reached |= self._of_name(user, above, done)
        return reached
