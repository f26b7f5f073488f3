"""Bodies of requests, judged by the official models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from azure_cloud.errors import AzureError, bad_content
from azure_cloud.models import Field, Kind, find_model, find_subclass, list_fields

Body = dict[str, Any]


def judge(model: str, body: object, *, is_answer: bool = False) -> Body:
    """A body as it is taken: without what it says is `null`.

    Args:
        model: `network:VirtualNetwork`.
        is_answer: whether it is an answer, in which what is read-only may be.

    Raises:
        AzureError: Azure has no such fields or values; every fault is told.
    """
    faults: list[AzureError] = []
    judged = Judge(faults, is_answer=is_answer).judge_object(find_model(model), body, "")
    if not faults:
        assert isinstance(judged, dict)
        return judged
    first = faults[0]
    raise AzureError(first.status, first.code, first.message, details=faults)


class Judge:
    """One look at one body."""

    def __init__(self, faults: list[AzureError], *, is_answer: bool) -> None:
        self._faults = faults
        self._is_answer = is_answer

    def judge_object(self, model: type, value: object, where: str) -> object:
        if isinstance(value, dict):
            model = find_subclass(model, value)
        return self.judge_fields(list_fields(model), model.__name__, value, where)

    def judge_fields(self, fields: Mapping[str, Field], name: str, value: object, where: str) -> object:
        if not isinstance(value, dict):
            return self._fault(f"'{where or 'body'}' must be an object ({name})")
        judged = {}
        for key, item in value.items():
            path = f"{where}.{key}".lstrip(".")
            field = fields.get(key)
            if field is None:
                self._fault(f"Could not find member '{key}' on object of type '{name}'. Path '{path}'.")
            elif item is None:
                continue
            elif field.is_read_only and not self._is_answer:
                self._fault(f"'{path}' of '{name}' is read-only.")
            else:
                judged[key] = self.judge_value(field.kind, item, path)
                if field.pattern and isinstance(item, str) and not re.match(field.pattern, item):
                    self._fault(f"'{path}' must match '{field.pattern}'.")
        for key, field in fields.items():
            if field.is_required and not field.is_read_only and value.get(key) is None:
                self._fault(f"Required property '{key}' not found in JSON. Path '{where}'.")
        return judged

    def judge_value(self, kind: Kind, value: Any, where: str) -> object:
        if kind.name == "any":
            return value
        if kind.name == "model":
            if kind.model is None:
                return self.judge_fields(kind.fields or {}, where, value, where)
            return self.judge_object(kind.model, value, where)
        if kind.name == "list":
            assert kind.inner is not None
            if not isinstance(value, list):
                return self._fault(f"'{where}' must be a list")
            return [self.judge_value(kind.inner, item, f"{where}[{index}]") for index, item in enumerate(value)]
        if kind.name == "map":
            assert kind.inner is not None
            if not isinstance(value, dict):
                return self._fault(f"'{where}' must be an object")
            return {key: self.judge_value(kind.inner, item, f"{where}['{key}']") for key, item in value.items()}
        return self._judge_plain(kind, value, where)

    def _judge_plain(self, kind: Kind, value: Any, where: str) -> object:
        expected: Any = {"str": str, "bool": bool, "int": int, "float": (int, float)}[kind.name]
        if not isinstance(value, expected) or (isinstance(value, bool) and kind.name != "bool"):
            return self._fault(f"'{where}' must be a {kind.name}, not {value!r}")
        if kind.choices and value not in kind.choices:
            known = ", ".join(sorted(kind.choices))
            return self._fault(f"'{where}' cannot be {value!r}: it is one of {known}")
        return value

    def _fault(self, message: str) -> object:
        self._faults.append(bad_content(message))
        return None
