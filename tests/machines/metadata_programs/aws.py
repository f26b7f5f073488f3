"""The metadata service of AWS's machines, version 2: `python aws.py ADDRESS PORT FILE LOG`.

Its file is `{ADDRESS: {PATH: TEXT}}`.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import re
import secrets
import time

import skeleton  # Beside this file, which is first on the path of a program.

MAX_TOKEN_SECONDS = 21600

VERSION = re.compile(r"^/(latest|\d{4}-\d{2}-\d{2})/")


def find_answer(paths: dict[str, str], path: str) -> str | None:
    """The text at `path`, or the list of what is below it; `None` when there is neither."""
    path = path.rstrip("/")
    if path in paths:
        return paths[path]
    below = {rest.partition("/") for key in paths if (rest := key.removeprefix(f"{path}/")) != key}
    return "\n".join(sorted({name + slash for name, slash, _ in below})) or None


class Handler(skeleton.Handler):
    tokens: dict[str, tuple[str, float]] = {}

    def do_PUT(self) -> None:  # noqa: N802 - the name that http.server looks for
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

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server looks for
        paths = self.find_instance() or {}
        address, until = self.tokens.get(self.headers.get("X-aws-ec2-metadata-token", ""), ("", 0.0))
        has_token = address == self.client_address[0] and until >= time.monotonic()
        if not has_token and paths.get("http-tokens") != "optional":
            self.answer(401)
            return
        found = find_answer(paths, VERSION.sub("", self.path)) if VERSION.match(self.path) else None
        self.answer(404) if found is None else self.answer(200, found)


if __name__ == "__main__":
    skeleton.serve(Handler)
