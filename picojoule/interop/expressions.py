"""The value of an arithmetic text such as `1024*1024*8` or `max(1, ceil(log2(depth)))`, by a parser of our own.

Nothing of Python is evaluated. Known: numbers, names that the caller gives, + - * / // % **, comparisons, `and`, `or`, `not`,
`a if c else b`, brackets, and a dozen functions. Length, depth and size of numbers are bounded, so that no text takes long.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping

from picojoule.errors import SpecError, unknown_name

Number = int | float
Value = Number | str
_LONGEST, _DEEPEST, _LARGEST = 2000, 40, 1e60
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<sign>\*\*|//|<=|>=|==|!=|[-+*/%()<>,]))"
)
_COMPARISONS: dict[str, Callable[[Number, Number], bool]] = {
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_LEVELS: tuple[tuple[str, ...], ...] = (("+", "-"), ("*", "/", "//", "%"))
_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "min": min, "max": max, "ceil": math.ceil, "floor": math.floor, "round": round, "abs": abs,
    "log2": math.log2, "log": math.log, "log10": math.log10, "sqrt": math.sqrt, "int": int, "float": float,
}  # fmt: skip
_WORDS = {"inf": math.inf, "True": 1, "False": 0, "true": 1, "false": 0}


def evaluate(text: str, names: Mapping[str, Value] | None = None, where: str = "") -> Number:
    """The number that the text means; anything else is a SpecError at `where`."""
    value = evaluate_any(text, names, where)
    if isinstance(value, str):
        raise SpecError(f"{text.strip()!r} is text and no number", where=where, hint="give a number or an arithmetic expression")
    return value


def evaluate_any(text: str, names: Mapping[str, Value] | None = None, where: str = "") -> Value:
    """The number or the quoted text that the expression means."""
    parser = _Parser(text, names or {}, where)
    value = parser.choice(0)
    parser.end()
    return value


class _Parser:
    """Recursive descent over the tokens; each method reads one level of precedence."""

    def __init__(self, text: str, names: Mapping[str, Value], where: str) -> None:
        self.text, self.names, self.where, self.at = text, names, where, 0
        if len(text) > _LONGEST:
            raise SpecError(f"an expression of {len(text):,} characters", where=where, hint=f"at most {_LONGEST:,}")
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            m = _TOKEN.match(text, position)
            if not m or m.lastgroup is None:
                raise self.fault(f"{text[position:].strip()[:20]!r} is not understood")
            self.tokens.append((m.lastgroup, m[m.lastgroup]))
            position = m.end()

    def fault(self, problem: str) -> SpecError:
        shown = self.text.strip() if len(self.text) < 80 else self.text.strip()[:77] + "..."
        return SpecError(
            f"cannot evaluate {shown!r}: {problem}", where=self.where, hint="numbers, names, + - * / ** ( ) min max ceil log2"
        )

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at][0] != "text" and self.peek() in wanted:
            self.at += 1
            return True
        return False

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            raise self.fault(f"{wanted!r} is missing")

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise self.fault(f"{self.peek()!r} stands where it should end")

    def choice(self, depth: int) -> Value:
        if depth > _DEEPEST:
            raise self.fault("brackets are nested too deeply")
        value = self.either(depth)
        if self.take("if"):
            condition = self.either(depth)
            self.need("else")
            other = self.choice(depth + 1)
            return value if condition else other
        return value

    def either(self, depth: int) -> Value:
        value = self.both(depth)
        while self.take("or"):
            other = self.both(depth)
            value = value or other
        return value

    def both(self, depth: int) -> Value:
        value = self.negated(depth)
        while self.take("and"):
            other = self.negated(depth)
            value = value and other
        return value

    def negated(self, depth: int) -> Value:
        flips = 0
        while self.take("not"):
            flips += 1
        value = self.compared(depth)
        return value if not flips else int(bool(value) == (flips % 2 == 0))

    def compared(self, depth: int) -> Value:
        value = self.joined(0, depth)
        if self.peek() in _COMPARISONS:
            sign = self.peek()
            self.at += 1
            other = self.joined(0, depth)
            if isinstance(value, str) or isinstance(other, str):
                if sign not in ("==", "!="):
                    raise self.fault("text has no order")
                return int((value == other) == (sign == "=="))
            return int(_COMPARISONS[sign](value, other))
        return value

    def joined(self, level: int, depth: int) -> Value:
        if level == len(_LEVELS):
            return self.signed(depth)
        value = self.joined(level + 1, depth)
        while self.peek() in _LEVELS[level] and self.at < len(self.tokens):
            sign = self.peek()
            self.at += 1
            value = self.checked(sign, self.number(value), self.number(self.joined(level + 1, depth)))
        return value

    def signed(self, depth: int) -> Value:
        sign = 1
        while self.peek() in ("-", "+"):
            sign = -sign if self.peek() == "-" else sign
            self.at += 1
        value = self.power(depth)
        return value if sign == 1 else -self.number(value)

    def power(self, depth: int) -> Value:
        base = self.atom(depth)
        if self.take("**"):
            if depth > _DEEPEST:
                raise self.fault("powers are nested too deeply")
            exponent = self.signed(depth + 1)
            return self.checked("**", self.number(base), self.number(exponent))
        return base

    def atom(self, depth: int) -> Value:
        if self.at >= len(self.tokens):
            raise self.fault("a value is missing")
        kind, word = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return int(word) if re.fullmatch(r"[\d_]+", word) else float(word.replace("_", ""))
        if kind == "text":
            return word[1:-1]
        if word == "(":
            value = self.choice(depth + 1)
            self.need(")")
            return value
        if kind == "name":
            return self.called(word, depth) if self.peek() == "(" else self.named(word)
        raise self.fault(f"{word!r} stands where a value is needed")

    def named(self, word: str) -> Value:
        if word in self.names:
            return self.names[word]
        if word in _WORDS:
            return _WORDS[word]
        error = unknown_name("name", word, [*self.names, *_FUNCTIONS], self.where)
        raise SpecError(f"{error.problem} in {self.text.strip()[:60]!r}", where=self.where, hint=error.hint)

    def called(self, name: str, depth: int) -> Number:
        if name not in _FUNCTIONS:
            raise unknown_name("function", name, _FUNCTIONS, self.where)
        self.need("(")
        values = [self.number(self.choice(depth + 1))]
        while self.take(","):
            values.append(self.number(self.choice(depth + 1)))
        self.need(")")
        try:
            return self.bounded(_FUNCTIONS[name](*values) if name not in ("min", "max") else _FUNCTIONS[name](values))
        except (ValueError, TypeError, OverflowError, ZeroDivisionError):
            raise self.fault(f"{name}({', '.join(f'{v:g}' for v in values)}) has no value") from None

    def number(self, value: Value) -> Number:
        if isinstance(value, str):
            raise self.fault(f"{value!r} is text")
        return value

    def checked(self, sign: str, a: Number, b: Number) -> Number:
        try:
            if sign == "**":
                if abs(b) > 200 or (a and abs(b) * abs(math.log2(abs(a))) > 200):
                    raise self.fault("the power is too large")
                found = a**b
                if isinstance(found, complex):
                    raise self.fault("a root of a negative number")
                return self.bounded(found)
            signs: dict[str, Callable[[Number, Number], Number]] = {
                "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
                "//": operator.floordiv, "%": operator.mod,
            }  # fmt: skip
            return self.bounded(signs[sign](a, b))
        except ZeroDivisionError:
            raise self.fault("division by zero") from None
        except OverflowError:
            raise self.fault("a number is too large") from None

    def bounded(self, value: Number) -> Number:
        if value != value:
            raise self.fault("the result is no number")
        if abs(value) > _LARGEST and value not in (math.inf, -math.inf):
            raise self.fault("a number is too large")
        return value
