"""The metadata service of Google Cloud's machines: `python gcp.py ADDRESS PORT FILE LOG TOKENS`.

Its file is `{ADDRESS: TREE}`: folders are objects, numbered folders are lists of objects, and all else is a value.
`TOKENS` is where Google Cloud hands out tokens for service accounts.

https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import skeleton  # Beside this file, which is first on the path of a program.

BASE = "/computeMetadata/v1"
FLAVOR = {"Metadata-Flavor": "Google"}
TOKEN = re.compile(rf"{BASE}/instance/service-accounts/([^/]+)/token")
POLL_SECONDS = 0.1
LONGEST_SECONDS = 600.0
MISSING = object()
VERBATIM = "attributes"
"""The folder whose names are its owner's: they stay as they are."""

NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def find(tree: Any, path: str) -> Any:
    """What is at a path below `computeMetadata/v1`; `MISSING` when nothing is."""
    for part in (unquote(each) for each in path.split("/") if each):
        if isinstance(tree, dict):
            tree = tree.get(part, MISSING)
        elif is_folder(tree) and part.isdigit() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return MISSING
    return tree


def is_folder(node: Any) -> bool:
    """Whether it has something below it."""
    return isinstance(node, dict) or (isinstance(node, list) and node != [] and isinstance(node[0], dict))


def list_names(node: Any) -> list[str]:
    """The names in a folder; those of folders end with a slash."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    return sorted(f"{name}/" if is_folder(below) else str(name) for name, below in items)


def render_text(node: Any) -> str:
    """A value as text."""
    if isinstance(node, list):
        return "".join(f"{each}\n" for each in node)
    return str(node)


def flatten(node: Any, path: str = "") -> list[str]:
    """All values below a folder, a line each."""
    if not is_folder(node):
        return [f"{path} {render_text(node)}".rstrip("\n")]
    items = node.items() if isinstance(node, dict) else enumerate(node)
    return [line for name, below in items for line in flatten(below, f"{path}/{name}".lstrip("/"))]


def render_json(node: Any, name: str = "") -> Any:
    """What a folder is as JSON: its names are in camel case."""
    if isinstance(node, dict):
        return {each if name == VERBATIM else to_camel(each): render_json(below, each) for each, below in node.items()}
    return [render_json(each) for each in node] if isinstance(node, list) else node


def to_camel(name: str) -> str:
    first, *more = name.split("-")
    return first + "".join(each.capitalize() for each in more) if "@" not in name else name


class Handler(skeleton.Handler):
    server_version = "Metadata Server for VM"
    sys_version = ""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server looks for
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if parts.path in ("/", "/computeMetadata", "/computeMetadata/"):
            self.tell("computeMetadata/\n" if parts.path == "/" else "v1/\n")
        elif "X-Forwarded-For" in self.headers:  # A proxy on the machine must not hand its account on.
            self.refuse(403, "Forbidden: X-Forwarded-For")
        elif self.headers.get("Metadata-Flavor") != "Google":
            self.refuse(403, "Missing Metadata-Flavor:Google header.")
        elif (found := TOKEN.fullmatch(parts.path)) is not None:
            self.tell_token(unquote(found[1]))
        elif parts.path != BASE and not parts.path.startswith(f"{BASE}/"):
            self.refuse(404, "Not Found")
        else:
            self.tell_value(parts.path, query)

    def tell_value(self, path: str, query: dict[str, str]) -> None:
        node = self.look(path)
        if query.get("wait_for_change", "").lower() == "true":
            node = self.await_change(path, node, query)
        if node is MISSING:
            self.refuse(404, "Not Found")
        elif is_folder(node) and not path.endswith("/") and query.get("recursive", "").lower() != "true":
            self.answer(301, "", {**FLAVOR, "Location": f"{path}/"})
        else:
            self.tell_node(node, query)

    def tell_node(self, node: Any, query: dict[str, str]) -> None:
        is_recursive = is_folder(node) and query.get("recursive", "").lower() == "true"
        kind = query.get("alt") or ("json" if is_recursive else "text")
        etag = {"ETag": find_etag(node)}
        if kind == "json":
            shown = render_json(node) if is_recursive or not is_folder(node) else list_names(node)
            self.tell(json.dumps(shown), {"Content-Type": "application/json", **etag})
        elif is_recursive:
            self.tell("".join(f"{line}\n" for line in flatten(node)), etag)
        elif is_folder(node):
            self.tell("".join(f"{name}\n" for name in list_names(node)), etag)
        else:
            self.tell(render_text(node), etag)

    def look(self, path: str) -> Any:
        tree = self.find_instance()
        return MISSING if tree is None else find(tree, path.removeprefix(BASE))

    def await_change(self, path: str, node: Any, query: dict[str, str]) -> Any:
        """What is there once it is another than `last_etag` says, or than it is now; or when the time is over."""
        known = query.get("last_etag", find_etag(node))
        deadline = time.monotonic() + min(float(query.get("timeout_sec", LONGEST_SECONDS)), LONGEST_SECONDS)
        while find_etag(node) == known and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            node = self.look(path)
        return node

    def tell_token(self, name: str) -> None:
        account = self.look(f"{BASE}/instance/service-accounts/{name}")
        if account is MISSING:
            self.refuse(404, "Not Found")
            return
        body = json.dumps({"service_account": account["email"], "scopes": account["scopes"]}).encode()
        request = urllib.request.Request(self.more[0], body, {"Content-Type": "application/json"})
        try:
            with NO_PROXY.open(request, timeout=30) as answer:
                self.tell(answer.read().decode(), {"Content-Type": "application/json"})
        except urllib.error.HTTPError as error:
            self.refuse(error.code, error.read().decode(errors="replace"))
        except OSError as error:
            self.refuse(503, str(error))

    def tell(self, text: str, headers: dict[str, str] | None = None) -> None:
        self.answer(200, text, {"Content-Type": "application/text", **FLAVOR, **(headers or {})})

    def refuse(self, status: int, text: str) -> None:
        self.answer(status, text, {"Content-Type": "text/html; charset=UTF-8", **FLAVOR})


def find_etag(node: Any) -> str:
    """What changes with the value."""
    text = "" if node is MISSING else json.dumps(node, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    skeleton.serve(Handler)
