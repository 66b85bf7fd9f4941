"""Workload: the weight of a building as an expression of its columns, such as `households + 0.5 * shops`.

The grammar is our own and small; nothing in an expression is ever run:

    sum     = product (("+" | "-") product)*
    product = factor (("*" | "/") factor)*
    factor  = "-" factor | number | column | "(" sum ")" | ("min" | "max") "(" sum ("," sum)+ ")"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from partition.arrays import Lengths

LONGEST = 500  # signs of an expression
DEEPEST = 30  # brackets within brackets
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|([^\W\d]\w*)|(.))", re.DOTALL)
_FULL_WIDTH = str.maketrans("（），＋－＊／×÷", "(),+-*/*/")


class ExpressionError(ValueError):
    """An expression cannot be read.

    `code` says why (the text is `finding.expression_<code>`), `values` where.
    """

    def __init__(self, code: str, **values: Any) -> None:
        self.code, self.values = code, values
        super().__init__(code)


Columns = Mapping[str, Lengths]
Evaluate = Callable[[Columns], "Lengths | float"]


@dataclass(frozen=True)
class Expression:
    """A weight by building: `columns` are the names it uses, in the order they occur."""

    text: str
    columns: tuple[str, ...]
    _evaluate: Evaluate

    def weigh(self, columns: Columns, count: int) -> Lengths:
        """The weight of each of `count` buildings. `columns` holds an array of that length for each of
        `self.columns`; a division by zero gives inf or NaN.
        """
        with np.errstate(all="ignore"):
            weight = np.asarray(self._evaluate(columns), dtype=np.float64)
        return np.array(np.broadcast_to(weight, count))


def parse_expression(text: str) -> Expression:
    """Read an expression. Raises ExpressionError."""
    if len(text) > LONGEST:
        raise ExpressionError("long", most=LONGEST)
    parser = _Parser(text.translate(_FULL_WIDTH))
    evaluate = parser.sum()
    if parser.kind != "end":
        raise parser.unexpected()
    return Expression(text, tuple(dict.fromkeys(parser.columns)), evaluate)


class _Parser:
    """Recursive descent, one token ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0
        self.columns: list[str] = []
        self.advance()

    def advance(self) -> None:
        rest = self.text[self.place :]
        match = _TOKEN.match(self.text, self.place)
        self.start = self.place + len(rest) - len(rest.lstrip())
        if not rest.strip() or match is None:
            self.kind, self.word, self.place = "end", "", len(self.text)
            return
        self.kind = ("number", "name", "mark")[(match.lastindex or 1) - 1]
        self.word = match.group(match.lastindex or 1)
        self.place = match.end()

    def unexpected(self) -> ExpressionError:
        if self.kind == "end":
            return ExpressionError("unfinished")
        return ExpressionError("unexpected", word=self.word, place=self.start + 1)

    def takes(self, mark: str) -> bool:
        """Whether the next token is this mark; then it is passed."""
        if self.kind == "mark" and self.word == mark:
            self.advance()
            return True
        return False

    def sum(self) -> Evaluate:
        found = self.product()
        while self.kind == "mark" and self.word in "+-":
            add = self.word == "+"
            self.advance()
            found = _joined(found, self.product(), np.add if add else np.subtract)
        return found

    def product(self) -> Evaluate:
        found = self.factor()
        while self.kind == "mark" and self.word in "*/":
            times = self.word == "*"
            self.advance()
            found = _joined(found, self.factor(), np.multiply if times else np.true_divide)
        return found

    def factor(self) -> Evaluate:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError("deep", most=DEEPEST)
        found = self.bare_factor()
        self.depth -= 1
        return found

    def bare_factor(self) -> Evaluate:
        if self.takes("-"):
            return _joined(_constant(0.0), self.factor(), np.subtract)
        if self.takes("("):
            found = self.sum()
            self.close()
            return found
        kind, word = self.kind, self.word
        if kind == "number":
            self.advance()
            return _constant(float(word))
        if kind == "name":
            self.advance()
            if self.kind == "mark" and self.word == "(":
                return self.call(word)
            self.columns.append(word)
            return lambda columns: columns[word]
        raise self.unexpected()

    def call(self, name: str) -> Evaluate:
        if name not in ("min", "max"):
            raise ExpressionError("function", name=name)
        self.advance()
        found = self.sum()
        if not (self.kind == "mark" and self.word == ","):
            raise ExpressionError("arguments", name=name)
        while self.takes(","):
            found = _joined(found, self.sum(), np.minimum if name == "min" else np.maximum)
        self.close()
        return found

    def close(self) -> None:
        if not self.takes(")"):
            raise self.unexpected()


def _constant(number: float) -> Evaluate:
    return lambda columns: number


def _joined(one: Evaluate, other: Evaluate, how: Callable[[Any, Any], Any]) -> Evaluate:
    return lambda columns: how(one(columns), other(columns))
