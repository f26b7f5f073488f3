"""The metadata service of Azure's machines: `python azure.py ADDRESS PORT FILE LOG TOKENS`.

Its file is `{ADDRESS: {"instance": TREE, "clients": [ID…], "events": […]}}`: what it says below `instance`, the client
ids of the machine's identities, and what is scheduled. `TOKENS` is where Azure hands out tokens for identities.

https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import skeleton  # Beside this file, which is first on the path of a program.

BASE = "/metadata/"
INSTANCE, TOKEN, EVENTS = "instance", "identity/oauth2/token", "scheduledevents"
VERSIONS = {
    INSTANCE: ("2017-08-01", "2019-06-01", "2020-09-01", "2021-02-01", "2021-12-13", "2023-07-01"),
    TOKEN: ("2018-02-01", "2019-08-01", "2020-06-01"),
    EVENTS: ("2019-08-01", "2020-07-01"),
}
"""Of what each may be asked for; a part of what Azure has."""
MISSING = object()
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def find(tree: Any, path: list[str]) -> Any:
    """What is at a path; `MISSING` when nothing is."""
    for part in path:
        if isinstance(tree, dict):
            tree = tree.get(part, MISSING)
        elif isinstance(tree, list) and part.isdigit() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return MISSING
    return tree


def render_text(node: Any) -> str:
    """A value, or the names in a folder; those of folders end with a slash."""
    if not isinstance(node, dict | list):
        return str(node)
    items = node.items() if isinstance(node, dict) else enumerate(node)
    return "\n".join(f"{name}/" if isinstance(below, dict | list) else str(name) for name, below in items)


class Handler(skeleton.Handler):
    server_version = "IMDS/150.870.65.1854"
    sys_version = ""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server looks for
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix(BASE).rstrip("/")
        kind = path if path in VERSIONS else path.partition("/")[0]
        known = self.find_instance()
        if "X-Forwarded-For" in self.headers:  # A proxy on the machine must not hand its identity on.
            self.refuse(400, "Bad request. X-Forwarded-For must not be set.")
        elif self.headers.get("Metadata", "").lower() != "true":
            self.refuse(400, "Bad request. Required metadata header not specified")
        elif not parts.path.startswith(BASE) or kind not in VERSIONS or known is None:
            self.refuse(404, "Not found")
        elif query.get("api-version") not in VERSIONS[kind]:
            self.refuse(400, "Bad request. api-version is invalid or was not specified in the request.")
        elif kind == INSTANCE:
            self.tell_value(find(known[INSTANCE], path.split("/")[1:]), query.get("format", "json"))
        elif kind == EVENTS:
            self.tell({"DocumentIncarnation": 1 + len(known["events"]), "Events": known["events"]})
        else:
            self.tell_token(known["clients"], query)

    def tell_value(self, node: Any, form: str) -> None:
        if node is MISSING:
            self.refuse(404, "Not found")
        elif form == "text":
            self.answer(200, render_text(node), {"Content-Type": "text/plain; charset=utf-8"})
        elif isinstance(node, dict | list):
            self.tell(node)
        else:
            self.refuse(400, "Bad request. A value is told with format=text only.")

    def tell_token(self, clients: list[str], query: dict[str, str]) -> None:
        chosen = [each for each in clients if query.get("client_id", each).lower() == each.lower()]
        if "resource" not in query:
            self.refuse_token("Required query variable 'resource' is missing")
        elif not chosen:
            self.refuse_token("Identity not found")
        elif len(chosen) > 1:
            self.refuse_token(
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in "
                "the token request"
            )
        else:
            self.pass_token(chosen[0], query["resource"])

    def pass_token(self, client: str, resource: str) -> None:
        body = json.dumps({"client_id": client, "resource": resource}).encode()
        request = urllib.request.Request(self.more[0], body, {"Content-Type": "application/json"})
        try:
            with NO_PROXY.open(request, timeout=30) as answer:
                self.answer(200, answer.read().decode(), {"Content-Type": "application/json; charset=utf-8"})
        except urllib.error.HTTPError as error:
            self.refuse_token(json.loads(error.read())["error"]["message"])
        except OSError as error:
            self.refuse(503, str(error))

    def tell(self, values: Any, status: int = 200) -> None:
        self.answer(status, json.dumps(values), {"Content-Type": "application/json; charset=utf-8"})

    def refuse(self, status: int, text: str) -> None:
        self.tell({"error": text}, status)

    def refuse_token(self, text: str) -> None:
        self.tell({"error": "invalid_request", "error_description": text}, 400)


if __name__ == "__main__":
    skeleton.serve(Handler)
