"""The small faults: each is one piece of a module's text replaced by another, lines kept."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

COMPARED: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: (r"<", ("<=", ">=")),
    ast.LtE: (r"<=", ("<", ">")),
    ast.Gt: (r">", (">=", "<=")),
    ast.GtE: (r">=", (">", "<")),
    ast.Eq: (r"==", ("!=",)),
    ast.NotEq: (r"!=", ("==",)),
    ast.Is: (r"is", ("is not",)),
    ast.IsNot: (r"is\s+not", ("is",)),
    ast.In: (r"in", ("not in",)),
    ast.NotIn: (r"not\s+in", ("in",)),
}
# types stay what they are, or numba would refuse most mutants, and they would count as found
COMBINED: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "+"),
    ast.Mod: ("%", "+"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "&"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
CALLED = {"min": "max", "any": "all", "minimum": "maximum", "floor": "ceil", "argmin": "argmax"}
CALLED |= {other: name for name, other in CALLED.items()}


@dataclass(frozen=True)
class Mutant:
    """One fault. `start` and `end` are offsets into the module's UTF-8 text, `lines` those of its statement.

    `name` is the outermost function or class, or the names assigned, that the fault is in. A fault is
    `traced` if running it shows as a line of Python: neither in a kernel nor done as the module is imported.
    """

    module: str
    kind: str
    start: int
    end: int
    text: str
    row: int
    lines: tuple[int, int]
    name: str
    kernel: bool
    traced: bool

    def applied(self, source: bytes) -> bytes:
        """The module's text with this fault in it; `source` is the text without."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def find_mutants(module: str, source: bytes) -> list[Mutant]:
    """All faults of a module that are made here, in order of the text.

    Left out are docstrings and all other strings, annotations, decorators, imports, and what only type
    checkers need, such as that something is not None. So are changes that change nothing anywhere: any
    negative length is the open one to `reshape`, and results do not depend on the number of threads.
    """
    finder = _Finder(module, source)
    for statement in ast.parse(source).body:
        finder.statement(statement)
    return sorted(set(finder.found), key=lambda m: (m.start, m.end, m.text))


class _Finder:
    def __init__(self, module: str, source: bytes) -> None:
        self.module, self.source = module, source
        self.begins = [0]
        for line in source.splitlines(keepends=True):
            self.begins.append(self.begins[-1] + len(line))
        self.found: list[Mutant] = []
        self.name, self.kernel, self.inside, self.lines = "", False, False, (0, 0)

    # where

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self.begins[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.begins[node.end_lineno - 1] + node.end_col_offset

    def add(self, kind: str, start: int, end: int, text: str) -> None:
        row = next(i for i, begin in enumerate(self.begins) if begin > start)
        traced = self.inside and not self.kernel
        self.found.append(
            Mutant(self.module, kind, start, end, text, row, self.lines, self.name, self.kernel, traced)
        )

    def replace(self, kind: str, node: ast.expr | ast.stmt, text: str) -> None:
        start, end = self.start(node), self.end(node)
        gone = self.source[start:end].count(b"\n")
        if gone and isinstance(node, ast.expr):
            text = f"({text}" + "\n" * gone + ")"
        elif gone:
            text += "\n" * gone
        self.add(kind, start, end, text)

    def between(self, kind: str, left: ast.expr, right: ast.expr, pattern: str, text: str) -> None:
        start, end = self.end(left), self.start(right)
        gap = self.source[start:end]
        met = re.search(pattern.encode(), gap)
        if met and b"#" not in gap:
            self.add(kind, start + met.start(), start + met.end(), text)

    # statements

    def statement(self, node: ast.stmt) -> None:
        outer = self.name, self.kernel, self.inside, self.lines
        first = getattr(node, "body", None)
        last = first[0].lineno - 1 if isinstance(first, list) else node.end_lineno
        self.lines = (node.lineno, max(node.lineno, last or 0))
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            self.definition(node)
        elif _is_for_checkers(node):
            pass
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            if not self.name:
                self.name = " ".join(n.id for n in ast.walk(node) if _stored(n) and isinstance(n, ast.Name))
            self.changes(node)
            self.parts(node)
        self.name, self.kernel, self.inside, self.lines = outer

    def definition(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self.name = self.name or node.name
        self.kernel = self.kernel or any("njit" in ast.unparse(d) for d in node.decorator_list)
        if isinstance(node, ast.FunctionDef):
            named = [*node.args.posonlyargs, *node.args.args][-len(node.args.defaults) or None :]
            pairs = [*zip(named, node.args.defaults, strict=False)]
            pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            for argument, default in pairs:
                if default is not None and argument.arg != "threads":
                    self.expression(default)
            self.inside = True
        for child in node.body:
            self.statement(child)

    def changes(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Assert() if self.name:
                self.replace("deletion", node, "pass")
            case ast.Assign(targets=[ast.Subscript() | ast.Attribute(), *_]):
                self.replace("deletion", node, "pass")
            case ast.AugAssign(op=op):
                self.replace("deletion", node, "pass")
                if type(op) in COMBINED:
                    old, new = COMBINED[type(op)]
                    self.between("arithmetic", node.target, node.value, re.escape(old), new)
            case ast.Continue():
                self.replace("branch", node, "break")
            case ast.Break():
                self.replace("branch", node, "continue")
            case ast.Return(value=ast.expr() as value) if not self.kernel and not _none(value):
                self.replace("return", value, "None")
            case ast.If(test=test):
                self.replace("branch", test, "True")
                self.replace("branch", test, "False")
            case ast.While(test=test):
                self.replace("branch", test, "False")
            case _:
                pass

    def parts(self, node: ast.AST) -> None:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "type_params"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.stmt):
                    self.statement(child)
                elif isinstance(child, ast.expr):
                    self.expression(child)
                elif isinstance(child, ast.AST) and getattr(child, "arg", "") != "strict":
                    self.parts(child)  # strict=True of zip says what holds anyway

    # expressions

    def expression(self, node: ast.expr) -> None:
        match node:
            case ast.JoinedStr():
                return
            case ast.Constant(value=bool() as value):
                self.replace("constant", node, str(not value))
            case ast.Constant(value=int() as value):
                self.replace("constant", node, str(value + 1))
            case ast.Constant(value=float() as value):
                self.replace("constant", node, repr(2 * value or 1.0))
            case ast.Compare(left=left, ops=ops, comparators=rights):
                for a, op, b in zip([left, *rights], ops, rights, strict=False):
                    pattern, others = COMPARED[type(op)]
                    for other in others:
                        self.between("comparison", a, b, pattern, other)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in COMBINED:
                old, new = COMBINED[type(op)]
                self.between("arithmetic", left, right, re.escape(old), new)
            case ast.BoolOp(op=op, values=values):
                old, new = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
                for a, b in pairwise(values):
                    self.between("boolean", a, b, rf"\b{old}\b", new)
            case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert() as op):
                length = 4 if isinstance(op, ast.Not) else 1
                self.add("unary", self.start(node), self.start(node) + length, "")
            case ast.IfExp(test=test):
                self.replace("branch", test, "True")
                self.replace("branch", test, "False")
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name) as func) if name in CALLED:
                self.add("call", self.end(func) - len(name), self.end(func), CALLED[name])
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                for test in (test for part in node.generators for test in part.ifs):
                    self.replace("branch", test, "True")
            case _:
                pass
        if isinstance(node, ast.Call) and ast.unparse(node).endswith(".reshape(-1)"):
            self.parts(node.func)
        else:
            self.parts(node)


def _is_for_checkers(node: ast.stmt) -> bool:
    match node:
        case ast.If(test=test):
            return ast.unparse(test) == "TYPE_CHECKING"
        case ast.Assert(test=test):
            return ast.unparse(test).endswith(" is not None")
    return False


def _stored(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)


def _none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def walk_names(tree: ast.Module) -> Iterator[tuple[str, bool, tuple[int, int], frozenset[str]]]:
    """Each outermost definition or assignment: name, is it a kernel, lines of its body, names it mentions."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            kernel = any("njit" in ast.unparse(d) for d in node.decorator_list)
            names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            names |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
            yield node.name, kernel, (node.body[0].lineno, node.end_lineno or 0), frozenset(names)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            names = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
            targets = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _stored(n)]
            for target in targets:
                yield target, True, (0, 0), frozenset(names)  # like a kernel: no line of it runs in a test
