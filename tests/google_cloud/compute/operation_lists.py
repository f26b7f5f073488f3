"""Operations, as they are asked for in each place."""

from __future__ import annotations

from google_cloud import models
from google_cloud.compute.collection import Body, Call, Collection, action, choose_items, render_list
from google_cloud.compute.operations import Operation
from google_cloud.errors import not_found


class OperationList(Collection):
    """Those of one kind of place."""

    name, model, word = "operations", "Operation", "operation"
    methods = frozenset({"list", "get"})
    is_aggregated = False

    def __init__(self, scope: str, prefix: str) -> None:
        self.scope = scope  # type: ignore[misc]
        self._prefix = prefix

    def find_model(self, method: str) -> models.Method | None:
        subject = f"{self._prefix}Operation{'s' if method == 'list' else ''}"
        return models.find_method(f"{method[0].upper()}{method[1:]}{subject}Request")

    def find(self, call: Call) -> Operation:
        operation = call.engine.operations.known.get(f"{call.base}/operations/{call.name}")
        if operation is None:
            raise not_found(f"{call.base}/operations/{call.name}")
        return operation

    def list(self, call: Call) -> Body:
        known = [each.render(call.now) for each in call.engine.operations.select(call.project, call.place)]
        items, token = choose_items(call, self, known)
        return render_list("compute#operationList", call, f"{call.base}/operations", items, token)

    def get(self, call: Call) -> Body:
        return self.find(call).render(call.now)

    @action()
    def wait(self, call: Call) -> Body:
        """Nobody has to: what is waited for is done at once."""
        operation = self.find(call)
        call.engine.operations.end(operation, call.now)
        return operation.render(call.now)
