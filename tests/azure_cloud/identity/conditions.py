"""Conditions of role assignments: a part of their language.

https://learn.microsoft.com/azure/role-based-access-control/conditions-format
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from azure_cloud.errors import AzureError

TOKEN = re.compile(
    r"\s*(?P<token>\(|\)|&&|\|\||!|'(?:[^'])*'|\{|\}|,|@(?:Request|Resource|Principal|Environment)\[[^\]]+\]|[A-Za-z]+)"
)
COMPARISONS = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringNotEquals": lambda value, wanted: value != wanted,
    "StringStartsWith": lambda value, wanted: value.startswith(wanted),
    "StringNotStartsWith": lambda value, wanted: not value.startswith(wanted),
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": lambda value, wanted: (
        re.fullmatch(
            "".join(".*" if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in wanted), value
        )
        is not None
    ),
}
SUB_OPERATION = "suboperation"


def evaluate(condition: str, action: str, attributes: Mapping[str, str]) -> bool:
    """Whether a condition holds.

    Args:
        attributes: by the last part of their names: `path`, `prefix`, `name`; and `suboperation`.

    Raises:
        AzureError: it is not of the language, or of what is known of it here.
    """
    return Reader(condition, action, attributes).read()


class Reader:
    """One condition, read from its beginning."""

    def __init__(self, text: str, action: str, attributes: Mapping[str, str]) -> None:
        self._tokens = split(text)
        self._action = action
        self._attributes = attributes

    def read(self) -> bool:
        holds = self._read_or()
        if self._tokens:
            raise malformed(f"unexpected {self._tokens[0]}")
        return holds

    def _read_or(self) -> bool:
        holds = self._read_and()
        while self._take("OR", "||"):
            right = self._read_and()
            holds = holds or right
        return holds

    def _read_and(self) -> bool:
        holds = self._read_not()
        while self._take("AND", "&&"):
            right = self._read_not()
            holds = holds and right
        return holds

    def _read_not(self) -> bool:
        if self._take("NOT", "!"):
            return not self._read_not()
        if self._take("("):
            holds = self._read_or()
            self._expect(")")
            return holds
        return self._read_term()

    def _read_term(self) -> bool:
        word = self._next()
        if word in ("ActionMatches", "SubOperationMatches"):
            self._expect("{")
            wanted = self._text()
            self._expect("}")
            if word == "ActionMatches":
                pattern = re.escape(wanted.lower()).replace(r"\*", ".*")
                return re.fullmatch(pattern, self._action.lower()) is not None
            return self._attributes.get(SUB_OPERATION, "") == wanted
        if word.startswith("@"):
            source, _, name = word[1:-1].partition("[")
            value = self._attributes.get(f"{source.lower()}:{name.rpartition(':')[2]}", "")
            comparison = COMPARISONS.get(kind := self._next())
            if comparison is None:
                raise malformed(f"unknown operator {kind}")
            return bool(comparison(value, self._text()))
        raise malformed(f"unexpected {word}")

    def _next(self) -> str:
        if not self._tokens:
            raise malformed("it ends too early")
        return self._tokens.pop(0)

    def _take(self, *words: str) -> bool:
        if self._tokens and self._tokens[0] in words:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise malformed(f"{word} is missing")

    def _text(self) -> str:
        token = self._next()
        if not token.startswith("'"):
            raise malformed(f"{token} is no text")
        return token[1:-1]


def split(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise malformed(f"at {text[at : at + 20]!r}")
        tokens.append(found["token"])
        at = found.end()
    return tokens


def malformed(why: str) -> AzureError:
    return AzureError(400, "RoleAssignmentConditionInvalid", f"The role assignment condition is invalid: {why}.")
