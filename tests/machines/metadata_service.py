"""The metadata service of AWS's machines, version 2, as a program of its own: it runs inside a network.

It knows a machine by the address that asks, and answers from a file that it reads anew for each request:
`{ADDRESS: {PATH: TEXT}}`. Each request is a line in its log.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import json
import re
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MAX_TOKEN_SECONDS = 21600

VERSION = re.compile(r"^/(latest|\d{4}-\d{2}-\d{2})/")


def find_answer(paths: dict[str, str], path: str) -> str | None:
    """The text at `path`, or the list of what is below it; `None` when there is neither."""
    path = path.rstrip("/")
    if path in paths:
        return paths[path]
    below = {rest.partition("/") for key in paths if (rest := key.removeprefix(f"{path}/")) != key}
    return "\n".join(sorted({name + slash for name, slash, _ in below})) or None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    instances: Path
    log: Path
    tokens: dict[str, tuple[str, float]] = {}

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token":
            self.answer(404)
        elif "X-Forwarded-For" in self.headers:  # A proxy on the machine must not hand its role on.
            self.answer(403)
        elif not seconds.isdigit() or not 1 <= int(seconds) <= MAX_TOKEN_SECONDS:
            self.answer(400)
        else:
            token = secrets.token_urlsafe(32)
            self.tokens[token] = (self.client_address[0], time.monotonic() + int(seconds))
            self.answer(200, token, {"X-aws-ec2-metadata-token-ttl-seconds": seconds})

    def do_GET(self) -> None:
        paths = json.loads(self.instances.read_text()).get(self.client_address[0], {})
        address, until = self.tokens.get(self.headers.get("X-aws-ec2-metadata-token", ""), ("", 0.0))
        has_token = address == self.client_address[0] and until >= time.monotonic()
        if not has_token and paths.get("http-tokens") != "optional":
            self.answer(401)
            return
        found = find_answer(paths, VERSION.sub("", self.path)) if VERSION.match(self.path) else None
        self.answer(404) if found is None else self.answer(200, found)

    def answer(self, status: int, text: str = "", headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        line = {"address": self.client_address[0], "method": self.command, "path": self.path, "status": int(code)}
        with self.log.open("a") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    host, port, instances, log = sys.argv[1:]
    Handler.instances, Handler.log = Path(instances), Path(log)
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
