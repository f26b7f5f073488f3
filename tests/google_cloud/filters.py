"""Filters of lists, in the three languages that services have for them.

- Compute Engine: `name = x`, `name eq 'x.*'`, `labels.k:*`, `(a = b) (c = d)`, `AND`, `OR`, and `NOT` by `!=` and `ne`;
  https://cloud.google.com/compute/docs/reference/rest/v1/instances/list.
- Secret Manager: `labels.k=v AND name:x`; https://cloud.google.com/secret-manager/docs/filtering.
- Cloud Logging: as `logName="…" timestamp>="…" labels."k"="v" jsonPayload.phase:*`, where what stands beside each other
  holds together, and texts are compared without regard to case;
  https://cloud.google.com/logging/docs/view/logging-query-language.

What is not understood is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google_cloud.clock import parse_time
from google_cloud.errors import ApiError

Test = Callable[[Mapping[str, Any]], bool]

TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<quoted>'(?:[^'\\]|\\.)*')
      | (?P<mark>[()]|!=|>=|<=|=~|!~|=|:|<|>)
      | (?P<word>[^\s()=!<>:"']+)
    )""",
    re.VERBOSE,
)
OPERATORS = ("=", "!=", ":", "<", ">", "<=", ">=")
MISSING = object()


@dataclass(frozen=True)
class Language:
    """How a service's filters are read."""

    joins_neighbours: str
    """What may stand beside each other without a word between: `parentheses`, `all` or `nothing`."""
    operators: Collection[str]
    quotes: str
    folds: bool = False
    """Whether texts are compared without regard to case."""
    fields: Collection[str] | None = None
    """What a field's path may begin with; `None` is anything."""


@dataclass(frozen=True)
class Token:
    kind: str
    value: str
    start: int
    end: int


def compute_language(fields: Collection[str]) -> Language:
    return Language("parentheses", (*OPERATORS, "eq", "ne"), "\"'", fields=fields)


SECRETS = Language("nothing", ("=", "!=", ":"), '"', fields=("name", "labels", "create_time", "annotations", "topics"))
LOGS = Language(
    "all",
    OPERATORS,
    '"',
    folds=True,
    fields=[
        "logName",
        "insertId",
        "timestamp",
        "receiveTimestamp",
        "severity",
        "labels",
        "resource",
        "jsonPayload",
        "textPayload",
        "protoPayload",
    ],
)


def parse_filter(text: str, language: Language) -> Test:
    """What a filter asks.

    Raises:
        ApiError: it is not understood.
    """
    if not text.strip():
        return lambda item: True
    parser = Parser(text, language)
    test = parser.parse_any()
    parser.expect_end()
    return test


class Parser:
    """Recursive descent."""

    def __init__(self, text: str, language: Language) -> None:
        self._text = text
        self._language = language
        self._tokens = list(self._split())
        self._at = 0

    def _refuse(self, why: str) -> ApiError:
        return ApiError(
            400, f"Invalid value for field 'filter': '{self._text}'. Invalid list filter expression: {why}.", "invalid"
        )

    def _split(self) -> Iterator[Token]:
        at = 0
        while self._text[at:].strip():
            found = TOKEN.match(self._text, at)
            if found is None or found.lastgroup is None:
                raise self._refuse(f"nothing is known of what begins at {at}")
            kind, value = found.lastgroup, found[found.lastgroup]
            if kind in ("text", "quoted"):
                if value[0] not in self._language.quotes:
                    raise self._refuse(f"quotes are {self._language.quotes}")
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            yield Token(kind, value, found.start(found.lastgroup), found.end())
            at = found.end()

    @property
    def _next(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *values: str, kind: str = "") -> Token | None:
        token = self._next
        if token is None or (values and token.value not in values) or (kind and token.kind != kind):
            return None
        self._at += 1
        return token

    def expect_end(self) -> None:
        if self._next is not None:
            raise self._refuse(f"unexpected '{self._next.value}'")

    def parse_any(self) -> Test:
        """Terms that are joined, all by the same word."""
        tests, words = [self._parse_term()], set()
        while True:
            word = self._take("AND", "OR", kind="word")
            if word is None and not self._stands_beside():
                break
            words.add(word.value if word else "AND")
            tests.append(self._parse_term())
        if len(words) > 1:
            raise self._refuse("AND and OR are mixed; use parentheses")
        joined = any if words == {"OR"} else all
        return lambda item: joined(test(item) for test in tests)

    def _stands_beside(self) -> bool:
        token = self._next
        if token is None or token.value == ")":
            return False
        before = self._tokens[self._at - 1]
        match self._language.joins_neighbours:
            case "all":
                return True
            case "parentheses":
                return token.value == "(" and before.value == ")"
        return False

    def _parse_term(self) -> Test:
        if self._language.folds and self._take("NOT", kind="word"):
            test = self._parse_term()
            return lambda item: not test(item)
        if self._take("(", kind="mark"):
            test = self.parse_any()
            if not self._take(")", kind="mark"):
                raise self._refuse("a parenthesis is not closed")
            return test
        return self._parse_comparison()

    def _parse_comparison(self) -> Test:
        path = self._parse_path()
        operator = self._take(*self._language.operators)
        if operator is None:
            raise self._refuse(f"an operator is missing after '{'.'.join(path)}'")
        value = self._take(kind="text") or self._take(kind="quoted") or self._take(kind="word")
        if value is None:
            raise self._refuse(f"a value is missing after '{operator.value}'")
        return self._compare(path, operator.value, value)

    def _parse_path(self) -> list[str]:
        """`labels."a.b"` and `labels.a`, which are one word and maybe a text right behind it."""
        word = self._take(kind="word")
        if word is None:
            raise self._refuse("a field is missing")
        path = word.value.strip(".").split(".")
        end = word.end
        while (token := self._next) and token.kind in ("text", "word") and token.start == end:
            self._at += 1
            path += [token.value] if token.kind == "text" else token.value.strip(".").split(".")
            end = token.end
        if self._language.fields is not None and path[0] not in self._language.fields:
            raise self._refuse(f"no such field: '{path[0]}'")
        return path

    def _compare(self, path: list[str], operator: str, token: Token) -> Test:
        wanted = token.value
        if operator in ("eq", "ne"):
            try:
                pattern = re.compile(wanted)
            except re.error:
                raise self._refuse(f"'{wanted}' is no regular expression") from None
            return lambda item: (pattern.fullmatch(as_text(find(item, path))) is not None) == (operator == "eq")
        if token.kind == "word" and "*" in wanted and operator != ":":
            raise self._refuse("an asterisk is understood after ':' only")
        if operator == ":":
            if wanted == "*":
                return lambda item: find(item, path) is not MISSING
            return lambda item: has(find(item, path), wanted)
        if operator in ("=", "!="):
            fold = self._language.folds
            return lambda item: is_equal(find(item, path), wanted, fold=fold) == (operator == "=")
        return lambda item: compare(find(item, path), operator, wanted, self._refuse)


def find(item: Any, path: list[str]) -> Any:
    """What is at a path; keys may hold dots."""
    for index, part in enumerate(path):
        if isinstance(item, list):
            found = [value for each in item if (value := find(each, path[index:])) is not MISSING]
            return found or MISSING
        if not isinstance(item, Mapping):
            return MISSING
        rest = ".".join(path[index:])
        if part not in item and rest in item:
            return item[rest]
        if part not in item:
            return MISSING
        item = item[part]
    return item


def as_text(value: Any) -> str:
    if value is MISSING or value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_equal(value: Any, wanted: str, *, fold: bool) -> bool:
    if isinstance(value, list):
        return any(is_equal(each, wanted, fold=fold) for each in value)
    if value is MISSING:
        return False
    text = as_text(value)
    return text.casefold() == wanted.casefold() if fold else text == wanted


def has(value: Any, wanted: str) -> bool:
    """Whether a text holds another, or a list or an object something."""
    if value is MISSING:
        return False
    if isinstance(value, list):
        return any(has(each, wanted) for each in value)
    if isinstance(value, Mapping):
        return wanted in value
    if "*" in wanted:
        pattern = ".*".join(re.escape(part) for part in wanted.split("*"))
        return re.fullmatch(pattern, as_text(value), re.IGNORECASE) is not None
    return wanted.casefold() in as_text(value).casefold()


def compare(value: Any, operator: str, wanted: str, refuse: Callable[[str], ApiError]) -> bool:
    """Numbers and moments by their order."""
    if value is MISSING:
        return False
    pair = _as_numbers(as_text(value), wanted)
    if pair is None:
        raise refuse(f"'{wanted}' cannot be compared by '{operator}'")
    one, other = pair
    return {"<": one < other, ">": one > other, "<=": one <= other, ">=": one >= other}[operator]


def _as_numbers(one: str, other: str) -> tuple[float, float] | None:
    for read in (parse_time, float):
        try:
            return read(one), read(other)
        except ValueError:
            continue
    return None
