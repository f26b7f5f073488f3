"""Requests, told apart by their paths, and answered one at a time."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from google_cloud import access, control, services
from google_cloud.cloud import Cloud
from google_cloud.compute.engine import PREFIX
from google_cloud.errors import ApiError, no_such_method
from google_cloud.exchange import Answer, Request
from google_cloud.fields import apply_mask, parse_mask
from google_cloud.routing import Call, Routes

CONTROL = "/daskfleet/"
OPEN = (CONTROL, "/token", "/oauth2/")
"""Paths of what nobody must say for who they are."""
OLDER = ("/compute/", "/storage/", "/upload/", "/download/")
"""Paths of the services whose errors have the older form."""


class Application:
    """All services."""

    copy: Callable[[], int]
    """Set by whoever serves: forks the process, and tells the port of the copy."""

    is_over = False

    def __init__(self) -> None:
        self.cloud = Cloud()
        self.routes = Routes()
        control.register(self.routes, self)
        services.register(self.routes)

    def answer(self, request: Request) -> Answer:
        self.cloud.settle(time.time())
        name, is_older = "", request.path.startswith(OLDER)
        try:
            name, function = self._route(request)
            answer = self._cut(request, function())
        except ApiError as error:
            answer = Answer(error.render(is_older=is_older), error.status)
        except Exception:
            # Whoever tests wants to see what is wrong here.
            traceback.print_exc()
            failure = ApiError(500, traceback.format_exc(), "backendError", "INTERNAL")
            answer = Answer(failure.render(is_older=is_older), failure.status)
        self.cloud.settle(time.time())
        if not request.path.startswith(CONTROL):
            call = {"name": name, "method": request.method, "path": request.path, "query": request.query}
            self.cloud.calls.append({**call, "status": answer.status})
        return answer

    def _route(self, request: Request) -> tuple[str, Callable[[], Answer]]:
        """The name of the method that is asked for, and the method, for a caller who may ask."""
        if request.path.startswith(PREFIX):
            name, function = self.cloud.engine.route(request)
            return name, lambda: self._answer_compute(request, name, function)
        found = self.routes.find(request.method, request.path)
        if found is None:
            raise no_such_method(request.method, request.path)
        route, args = found
        return route.id, lambda: self._answer(request, Call(self.cloud, request, route, args, access.NOBODY))

    def _answer_compute(self, request: Request, name: str, function: Callable[[], Answer]) -> Answer:
        access.check_compute(access.find_caller(self.cloud, request), name)
        return function()

    def _answer(self, request: Request, call: Call) -> Answer:
        if not request.path.startswith(OPEN):
            call.caller = access.find_caller(self.cloud, request)
            if call.args.get("project", "-") != "-":
                call.args = {**call.args, "project": self._find_project(call.args["project"])}
            access.check(call)
        if call.route.query is not None:
            request.check_query(*call.route.query)
        answer = call.route.handler(call)
        return answer if isinstance(answer, Answer) else Answer(answer)

    def _find_project(self, text: str) -> str:
        project = self.cloud.projects.find(text)
        if project is None:
            raise ApiError(403, f"Permission denied on resource project {text}.", "forbidden")
        return project.name

    def _cut(self, request: Request, answer: Answer) -> Answer:
        """Only the fields that are asked for."""
        mask = request.query.get("fields")
        if mask is None or not isinstance(answer.body, dict):
            return answer
        return Answer(apply_mask(answer.body, parse_mask(mask)), answer.status, answer.content_type, answer.headers)
