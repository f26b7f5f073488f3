"""Conditions of roles: the part of IAM's language that is about names of resources.

https://cloud.google.com/iam/docs/conditions-attribute-reference
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google_cloud.errors import ApiError

TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<operator>\|\||&&|==|!=|!|\(|\)|,|\.)"""
    r"""|(?P<name>[A-Za-z_]\w*))"""
)
RESOURCE = ("name", "type", "service")
MOST_TITLE, MOST_DESCRIPTION = 100, 256


def check_condition(condition: Any) -> None:
    """Refuse what is no condition, or is not understood here."""
    if not isinstance(condition, dict) or set(condition) - {"title", "description", "expression", "location"}:
        raise ApiError(400, f"Invalid condition: {condition}")
    if not condition.get("title") or not condition.get("expression"):
        raise ApiError(400, "A condition needs a title and an expression.")
    if len(condition["title"]) > MOST_TITLE or len(condition.get("description", "")) > MOST_DESCRIPTION:
        raise ApiError(400, "The title or the description of a condition is too long.")
    evaluate(condition["expression"], {}, {})


def evaluate(expression: str, resource: Mapping[str, str], attributes: Mapping[str, str]) -> bool:
    """Whether a condition holds.

    Args:
        resource: `name`, `type`, `service`.
        attributes: what `api.getAttribute` says.

    Raises:
        ApiError: it is not understood.
    """
    reader = _Reader(expression, resource, attributes)
    value = reader.read_or()
    if reader.position != len(reader.tokens) or not isinstance(value, bool):
        raise reader.refuse()
    return value


class _Reader:
    def __init__(self, expression: str, resource: Mapping[str, str], attributes: Mapping[str, str]) -> None:
        self._expression = expression
        self._resource = resource
        self._attributes = attributes
        self.tokens = self._split()
        self.position = 0

    def refuse(self) -> ApiError:
        return ApiError(400, f"Condition expression compilation failed, or is not understood here: {self._expression}")

    def _split(self) -> list[str]:
        tokens, position, text = [], 0, self._expression.rstrip()
        while position < len(text):
            found = TOKEN.match(text, position)
            if found is None:
                raise self.refuse()
            tokens.append(found[0].strip())
            position = found.end()
        return tokens

    def _peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def _take(self, token: str | None = None) -> str:
        found = self._peek()
        if not found or token not in (None, found):
            raise self.refuse()
        self.position += 1
        return found

    def read_or(self) -> Any:
        value = self._read_and()
        while self._peek() == "||":
            self._take()
            other = self._read_and()
            value = self._check(value) | self._check(other)
        return value

    def _read_and(self) -> Any:
        value = self._read_equal()
        while self._peek() == "&&":
            self._take()
            other = self._read_equal()
            value = self._check(value) & self._check(other)
        return value

    def _read_equal(self) -> Any:
        value = self._read_value()
        if self._peek() in ("==", "!="):
            is_same = self._take() == "=="
            return (value == self._read_value()) is is_same
        return value

    def _check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.refuse()
        return value

    def _read_value(self) -> Any:
        token = self._take()
        if token == "!":
            return not self._check(self._read_value())
        if token == "(":
            value = self.read_or()
            self._take(")")
        elif token[0] in "\"'":
            value = re.sub(r"\\(.)", r"\1", token[1:-1])
        elif token in ("true", "false"):
            value = token == "true"
        elif token in ("resource", "api"):
            value = self._read_attribute(token)
        else:
            raise self.refuse()
        while self._peek() == ".":
            self._take()
            value = self._read_method(value)
        return value

    def _read_attribute(self, token: str) -> str:
        self._take(".")
        name = self._take()
        if token == "resource" and name in RESOURCE:
            return self._resource.get(name, "")
        if (token, name) == ("api", "getAttribute"):
            wanted, default = self._read_arguments(2)
            return self._attributes.get(wanted, default)
        raise self.refuse()

    def _read_arguments(self, count: int) -> list[str]:
        self._take("(")
        found = [self._read_value()]
        while self._peek() == ",":
            self._take()
            found.append(self._read_value())
        self._take(")")
        if len(found) != count or not all(isinstance(each, str) for each in found):
            raise self.refuse()
        return found

    def _read_method(self, value: Any) -> bool:
        method = self._take()
        (given,) = self._read_arguments(1)
        if not isinstance(value, str) or method not in ("startsWith", "endsWith", "contains"):
            raise self.refuse()
        return {"startsWith": value.startswith, "endsWith": value.endswith, "contains": value.__contains__}[method](
            given
        )
