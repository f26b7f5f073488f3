"""A stand-in for what Google Cloud says of images: the real library asks it, over the loopback interface."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

UNIVERSE = "lab.test"
PROJECT = "lab"
GCP_IMAGES = f"/compute/v1/projects/{PROJECT}/global/images"
GCP_OPERATIONS = f"/compute/v1/projects/{PROJECT}/global/operations"
FACTS = {"family": "daskfleet", "version": "202611240830", "arch": "x86_64", "gpu": "false", "python": "3-11"}
FACTS |= {"dask": "2026-8-0", "distributed": "2026-8-0", "cloudpickle": "3-1-2", "lock": "ab" * 8}


def render_labels(**changes: str) -> dict[str, str]:
    return {f"daskfleet-{key}": value for key, value in {**FACTS, **changes}.items()}


@dataclass
class ImageCloud:
    """A project with images."""

    url: str = ""
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name."""
    refusal: tuple[int, str] | None = None
    """Status and message that every question is answered with."""
    asked: list[str] = field(default_factory=list)
    failure: str = ""
    """Why deletions end in vain, where they do."""
    pending: dict[str, int] = field(default_factory=dict)
    """Deletions under way, and how often they are still to be asked for."""

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        """Status and body."""
        self.asked.append(f"{method} {path}")
        bare, _, query = path.partition("?")
        if self.refusal is not None:
            status, message = self.refusal
            return status, {"error": {"code": status, "message": message}}
        if method == "GET" and bare == GCP_IMAGES:
            assert "filter=labels.daskfleet-family" in query
            return 200, self._page(query)
        if method == "DELETE":
            name = bare.rpartition("/")[2]
            if self.images.pop(name, None) is None:
                return 404, {"error": {"code": 404, "message": f"{name} was not found"}}
            self.pending[name] = 2
            return 200, {"name": name, "status": "RUNNING", "progress": 0}
        if (found := re.fullmatch(rf"{GCP_OPERATIONS}/(.+?)(/wait)?", bare)) is not None:
            self.pending[found[1]] -= 1
            done = self.pending[found[1]] == 0
            body: dict[str, Any] = {"name": found[1], "status": "DONE" if done else "RUNNING", "progress": 100}
            if done and self.failure:
                body["error"] = {"errors": [{"code": "RESOURCE_IN_USE", "message": self.failure}]}
            return 200, body
        return 404, {"error": {"code": 404, "message": f"{bare}: not found"}}

    def _page(self, query: str) -> dict[str, Any]:
        """One image a page."""
        found = re.search(r"pageToken=(\d+)", query)
        start = int(found[1]) if found else 0
        images = list(self.images.values())
        page = {"items": images[start : start + 1]}
        return {**page, "nextPageToken": str(start + 1)} if start + 1 < len(images) else page


@contextlib.contextmanager
def open_cloud() -> Iterator[ImageCloud]:
    cloud = ImageCloud()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization", "").startswith("Bearer "):
                status, body = cloud.answer(self.command, self.path)
            else:
                status, body = 401, {"error": {"code": 401, "message": "who are you?"}}
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_DELETE = do_POST = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cloud.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_service_account(folder: Path) -> Path:
    """The credentials of a service account with a key of its own.

    They are of another universe than Google's: in that one, nobody but the cloud itself is asked for anything.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "account.json"
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "tester@lab.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "http://127.0.0.1:9/token",
        "universe_domain": UNIVERSE,
    }
    file.write_text(json.dumps(account))
    return file
