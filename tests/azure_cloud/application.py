"""Requests, told apart by their hosts and paths, and answered one at a time."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable
from urllib.parse import unquote

from azure_cloud import control, models
from azure_cloud.cloud import Cloud
from azure_cloud.compute.catalog import MACHINES
from azure_cloud.errors import AzureError
from azure_cloud.identity import tokens
from azure_cloud.keyvault import data as vault_data
from azure_cloud.manager import Manager
from azure_cloud.storage import blobs
from google_cloud.exchange import Answer, Request

CONTROL = "/daskfleet/"
VAULT_HOST = re.compile(r"([\w-]+)\.vault\.azure\.net(?::\d+)?")
VAULT_PATH = re.compile(r"/vault/([\w-]+)(/.*)")
BLOB_HOST = re.compile(r"(\w+)\.blob\.core\.windows\.net(?::\d+)?")
CONSOLE = re.compile(r"/boot-diagnostics/([0-9a-f-]+)/serialconsole\.log")
BLOB_PATH = re.compile(r"/blob/(\w+)(/.*)")

Found = tuple[str, Callable[[], Answer]]
"""What a request is called, and what answers it."""


class Application:
    """All of Azure."""

    copy: Callable[[], int]
    """Set by whoever serves: forks the process, and tells the port of the copy."""

    is_over = False

    def __init__(self) -> None:
        self.cloud = Cloud()
        self.manager = Manager(self.cloud)
        models.read_all(self.manager.registry.list_models())
        self.control = control.Control(self)

    def answer(self, request: Request) -> Answer:
        self.cloud.settle(time.time())
        name = ""
        try:
            name, function = self._route(request)
            if not request.path.startswith(CONTROL):
                self.cloud.throttle.check(name)
            answer = function()
        except AzureError as error:
            answer = self._refuse(request, error)
        except Exception:
            # Whoever tests wants to see what is wrong here.
            traceback.print_exc()
            answer = self._refuse(request, AzureError(500, "InternalServerError", traceback.format_exc()))
        self.cloud.settle(time.time())
        if not request.path.startswith(CONTROL):
            call = {"name": name, "method": request.method, "path": request.path, "query": request.query}
            self.cloud.calls.append({**call, "status": answer.status})
        return answer

    def _route(self, request: Request) -> Found:
        path = unquote(request.path)
        if path.startswith(CONTROL):
            return path, lambda: self.control.answer(request, path.removeprefix(CONTROL))
        if console := CONSOLE.fullmatch(path):
            return "console", lambda: show_console(self.cloud, console[1])
        if found := find_place(request, VAULT_HOST, VAULT_PATH):
            return vault_data.route(self.cloud, request, *found)
        if found := find_place(request, BLOB_HOST, BLOB_PATH):
            return blobs.route(self.cloud, request, *found)
        entra = tokens.answer(self.cloud, request)
        if entra is not None:
            name, answer = entra
            return name, lambda: answer
        return self.manager.route(request, path)

    def _refuse(self, request: Request, error: AzureError) -> Answer:
        if find_place(request, BLOB_HOST, BLOB_PATH):
            return blobs.refuse(error)
        if find_place(request, VAULT_HOST, VAULT_PATH):
            return vault_data.refuse(self.cloud, error)
        return Answer(error.render(), error.status, headers=error.headers)


def find_place(request: Request, host: re.Pattern[str], path: re.Pattern[str]) -> tuple[str, str] | None:
    """The vault or account that a request is for, and the path within it, still escaped."""
    if found := host.fullmatch(request.headers.get("host", "")):
        return found[1], request.path
    if found := path.fullmatch(request.path):
        return found[1], found[2]
    return None


def show_console(cloud: Cloud, machine: str) -> Answer:
    """What a machine's serial port has shown: whoever has the address may read it."""
    for record in cloud.store.select(MACHINES):
        if record.properties["vmId"] == machine:
            return Answer(record.notes["console"].encode(), 200, "text/plain")
    raise AzureError(404, "BlobNotFound", "The specified blob does not exist.")
