"""The calls that the command line makes to Google Cloud, against a server that answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

import daskfleet.google
from daskfleet.errors import FleetError
from daskfleet.google import BASES, Google, Refused
from daskfleet.providers.stack.cloud import GroupResources, Leftover, Machine
from daskfleet.providers.stack.gcp import grants, listing, logs, machines, removal
from daskfleet.providers.stack.gcp.cloud import GcpCloud
from daskfleet.providers.stack.gcp.marks import Mark
from gcp.region import render_account

Answer = tuple[int, Any]
Handler = Callable[["Call"], Answer]
REGION = "europe-west1"
MANAGERS = f"/compute/v1/projects/lab/regions/{REGION}/instanceGroupManagers"
DONE = {"name": "op", "status": "DONE"}
GROUP = GroupResources("cpu", "spot,standard", 1)


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass
class Server:
    """Answers each call by its method and path; what it does not know is not there."""

    url: str = ""
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def answer(self, call: Call) -> Answer:
        if call.path == "/token":
            return 200, {"access_token": "ya29.x", "expires_in": 3600, "token_type": "Bearer"}
        self.calls.append(call)
        found = self.answers.get((call.method, call.path))
        if callable(found):
            return found(call)  # type: ignore[no-any-return]
        return (200, found) if found is not None else refuse(404, "notFound", "it is not there")

    def made(self, method: str, path: str) -> list[Call]:
        return [call for call in self.calls if (call.method, call.path) == (method, path)]


def refuse(status: int, reason: str, message: str) -> Answer:
    return status, {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}


@contextmanager
def serve(server: Server) -> Iterator[None]:
    class Http(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(text) if text[:1] == b"{" else None
            status, content = server.answer(Call(self.command, parts.path, dict(parse_qsl(parts.query)), body))
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_DELETE = do_PUT = do_PATCH = do_GET  # noqa: N815

        def log_message(self, *_arguments: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Http)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    with serve(server):
        account = tmp_path / "account.json"
        account.write_text(json.dumps(render_account(server.url)))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "lab")
        for service, base in BASES.items():
            path = urlsplit(base).path
            monkeypatch.setenv(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}", f"{server.url}{path}")
        monkeypatch.setattr(daskfleet.google, "BACKOFF_SECONDS", 0.001)
        monkeypatch.setattr(removal, "POLL_SECONDS", 0.001)
        yield server


@pytest.fixture
def google(server: Server) -> Google:
    return Google()


# What is common


def test_the_project_is_that_of_the_environment_unless_one_is_named(google: Google):
    assert google.project == "lab"
    assert google.identity.startswith("tester@")
    assert Google("other").project == "other"
    assert GcpCloud(REGION).account == "lab"
    assert GcpCloud(REGION, "other").options == f"--provider gcp --region {REGION} --project other"


@pytest.mark.parametrize("status", [429, 503])
def test_what_is_refused_for_a_moment_is_asked_again(server: Server, google: Google, status: int):
    answers = [refuse(status, "rateLimitExceeded", "too often"), (200, {"name": "x"})]
    server.answers["GET", "/compute/v1/projects/lab/x"] = lambda _: answers.pop(0)
    assert google.ask("compute", "GET", google.compute("x")) == {"name": "x"}


def test_what_is_refused_for_good_is_told_and_not_asked_again(server: Server, google: Google):
    server.answers["GET", "/compute/v1/projects/lab/x"] = lambda _: refuse(403, "forbidden", "no")
    with pytest.raises(Refused, match="no") as caught:
        google.ask("compute", "GET", google.compute("x"))
    assert (caught.value.status, caught.value.reason) == (403, "forbidden")
    assert len(server.calls) == 1


def test_a_listing_is_read_to_its_end_also_where_it_comes_by_place(server: Server, google: Google):
    def page(call: Call) -> Answer:
        if "pageToken" in call.query:
            return 200, {
                "items": {"zones/b": {"instances": [3]}, "zones/c": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}}
            }
        return 200, {"items": {"zones/a": {"instances": [1, 2]}}, "nextPageToken": "more"}

    server.answers["GET", "/compute/v1/projects/lab/aggregated/instances"] = page
    assert list(google.list("compute", google.compute("aggregated/instances"), "items")) == [1, 2, 3]


def test_the_end_of_an_operation_is_awaited_where_it_is(server: Server, google: Google):
    operation = {
        "name": "op",
        "status": "RUNNING",
        "selfLink": "https://www.googleapis.com/compute/v1/projects/host/global/operations/op",
    }
    failed = {
        **operation,
        "status": "DONE",
        "error": {"errors": [{"code": "RESOURCE_NOT_READY", "message": "not yet"}]},
    }
    server.answers["POST", "/compute/v1/projects/host/global/operations/op/wait"] = failed
    with pytest.raises(Refused, match="not yet") as caught:
        google.await_end(operation)
    assert caught.value.reason == "RESOURCE_NOT_READY"


# Groups


def test_a_group_wants_what_its_managed_groups_want(server: Server, google: Google):
    server.answers["GET", MANAGERS] = {
        "items": [{"name": "spot", "targetSize": 3}, {"name": "standard", "targetSize": 2}, {"name": "else"}]
    }
    gone = GroupResources("gpu", "away", 1)
    assert machines.count_machines(google, REGION, [GROUP, gone]) == {"cpu": 5}
    assert machines.count_machines(google, REGION, []) == {}


def test_only_managed_groups_that_change_are_resized(server: Server, google: Google):
    server.answers["GET", MANAGERS] = {
        "items": [{"name": "spot", "targetSize": 3}, {"name": "standard", "targetSize": 2}]
    }
    server.answers["POST", f"{MANAGERS}/standard/resize"] = DONE
    machines.set_count(google, REGION, GROUP, 4)
    (call,) = [each for each in server.calls if each.method == "POST"]
    assert (call.path, call.query) == (f"{MANAGERS}/standard/resize", {"size": "1"})


def test_what_the_spot_market_has_not_is_moved_by_name_and_once(server: Server, google: Google):
    failed = {"lastAttempt": {"errors": {"errors": [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "none"}]}}}
    link = "https://www.googleapis.com/compute/v1/projects/lab/zones/europe-west1-b/instances/"
    managed = [
        {"instance": f"{link}a", "instanceStatus": "RUNNING", "currentAction": "NONE"},
        {"instance": f"{link}b", "currentAction": "CREATING", **failed},
    ]
    server.answers["POST", f"{MANAGERS}/spot/listManagedInstances"] = lambda _: (200, {"managedInstances": managed})
    server.answers["GET", MANAGERS] = {
        "items": [{"name": "spot", "targetSize": 2}, {"name": "standard", "targetSize": 4}]
    }

    def delete(call: Call) -> Answer:
        assert call.body == {"instances": ["zones/europe-west1-b/instances/b"], "skipInstancesOnValidationError": True}
        del managed[1]
        return 200, DONE

    server.answers["POST", f"{MANAGERS}/spot/deleteInstances"] = delete
    server.answers["POST", f"{MANAGERS}/standard/resize"] = DONE
    for _ in range(2):
        machines.take_on_demand(google, REGION, GROUP)
    (resized,) = server.made("POST", f"{MANAGERS}/standard/resize")
    assert resized.query == {"size": "5"}


@pytest.mark.parametrize(("model", "on_spot"), [("SPOT", True), ("STANDARD", False)])
def test_a_shortage_is_the_spot_markets_where_the_group_is_of_spot_machines(
    server: Server, google: Google, model: str, on_spot: bool
):
    errors = {"errors": {"errors": [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "The zone has none"}]}}
    managed = {"managedInstances": [{"currentAction": "CREATING", "lastAttempt": errors}]}
    template = f"projects/lab/regions/{REGION}/instanceTemplates/t"
    server.answers["POST", f"{MANAGERS}/spot/listManagedInstances"] = managed
    server.answers["GET", f"{MANAGERS}/spot"] = {"targetSize": 1, "versions": [{"instanceTemplate": template}]}
    server.answers["GET", f"/compute/v1/{template}"] = {"properties": {"scheduling": {"provisioningModel": model}}}
    found = machines.explain_shortages(google, REGION, [GROUP])["cpu"]
    assert found.on_spot is on_spot
    assert "ZONE_RESOURCE_POOL_EXHAUSTED: The zone has none" in found.reason


def test_an_error_that_a_group_remembers_is_told_where_its_machines_say_nothing(server: Server, google: Google):
    server.answers["POST", f"{MANAGERS}/spot/listManagedInstances"] = {"managedInstances": []}
    error = {"code": "CONDITION_NOT_MET", "message": "the image is gone"}
    server.answers["GET", f"{MANAGERS}/spot/listErrors"] = {
        "items": [{"timestamp": "2026-11-28T10:00:00Z", "error": error}]
    }
    server.answers["GET", "/compute/v1/projects/lab/aggregated/instances"] = {}
    server.answers["GET", f"{MANAGERS}/spot"] = {"targetSize": 1}
    found = machines.explain_shortages(google, REGION, [GROUP])["cpu"]
    assert (found.reason, found.on_spot) == ("CONDITION_NOT_MET: the image is gone", False)
    server.answers["GET", f"{MANAGERS}/spot"] = {"targetSize": 0}  # What it wants, it has: the error is of long ago.
    assert machines.explain_shortages(google, REGION, [GROUP]) == {}


def test_machines_are_removed_by_their_managed_groups_in_one_call_each(server: Server, google: Google):
    base = "/compute/v1/projects/lab/zones/europe-west1-b/instances"
    for name, manager in (("a", "spot"), ("b", "spot"), ("c", "standard")):
        created = {"key": "created-by", "value": f"projects/1/regions/{REGION}/instanceGroupManagers/{manager}"}
        server.answers["GET", f"{base}/{name}"] = {"name": name, "metadata": {"items": [created]}}
    for manager in ("spot", "standard"):
        server.answers["POST", f"{MANAGERS}/{manager}/deleteInstances"] = DONE
    prefix = "projects/lab/zones/europe-west1-b/instances"
    leaving = [Machine(f"{prefix}/{name}", "cpu", name, "", "running", 0.0) for name in ("a", "b", "c", "gone")]
    machines.remove_machines(google, REGION, leaving)
    (call,) = server.made("POST", f"{MANAGERS}/spot/deleteInstances")
    assert call.body["instances"] == [f"zones/europe-west1-b/instances/{name}" for name in ("a", "b")]
    assert len(server.made("POST", f"{MANAGERS}/standard/deleteInstances")) == 1


# Logs


def make_entry(group: str, node: str, second: int, **payload: Any) -> dict[str, Any]:
    moment = f"2026-11-28T10:00:{second:02}Z"
    labels = {"daskfleet-group": group, "daskfleet-node": node}
    return {"insertId": f"{node}{second}", "timestamp": moment, "labels": labels, **payload}


def test_nodes_are_listed_by_what_they_wrote_last(server: Server, google: Google):
    def answer(call: Call) -> Answer:
        assert call.body["orderBy"] == "timestamp desc"
        if "phase" in call.body["filter"]:
            mark = {"phase": "registered"}
            entries = [make_entry("gpu", "c", 3, jsonPayload=mark), make_entry("cpu", "a", 1, jsonPayload=mark)]
        else:
            entries = [make_entry("cpu", "a", 9, textPayload="x"), make_entry("scheduler", "s", 5, textPayload="y")]
        return 200, {"entries": entries}

    server.answers["POST", "/v2/entries:list"] = answer
    known = logs.list_logs(google, "projects/lab/logs/daskfleet/europe-west1/research")
    assert known == [("cpu", "a"), ("scheduler", "s"), ("gpu", "c")]


def test_the_log_is_asked_for_one_node_and_no_more_than_is_wanted(server: Server, google: Google):
    entries = [make_entry("cpu", "a", second, textPayload=str(second)) for second in (9, 8)]
    server.answers["POST", "/v2/entries:list"] = {"entries": entries, "nextPageToken": "more"}
    tail = logs.read_tail(google, "projects/lab/logs/daskfleet/europe-west1/research", "cpu", "a", 2)
    assert [event.message for event in tail] == ["8", "9"]
    (call,) = server.calls
    assert call.body["pageSize"] == 2
    assert 'logName="projects/lab/logs/daskfleet%2Feurope-west1%2Fresearch"' in call.body["filter"]
    assert 'labels."daskfleet-group"="cpu" AND labels."daskfleet-node"="a"' in call.body["filter"]
    assert logs.read_tail(google, "projects/lab/logs/x", "cpu", "a", 0) == []


# What is left


def test_a_policy_that_somebody_else_has_changed_is_read_again(server: Server, google: Google):
    member = "serviceAccount:df-worker-1@lab.iam.gserviceaccount.com"
    policies = [
        {"etag": str(number), "bindings": [{"role": "roles/viewer", "members": [member, f"user:{number}@example.com"]}]}
        for number in (1, 2)
    ]
    server.answers["POST", "/v1/projects/lab:getIamPolicy"] = lambda _: (200, policies[0])

    def write(call: Call) -> Answer:
        if call.body["policy"]["etag"] == "1":
            del policies[0]
            return refuse(409, "aborted", "There were concurrent policy changes.")
        return 200, {}

    server.answers["POST", "/v1/projects/lab:setIamPolicy"] = write
    details = {"place": "lab", "role": "roles/viewer", "member": member, "condition": {}}
    grants.remove_grant(google, Leftover(grants.PROJECT_GRANT, "x", details=details))
    written = server.made("POST", "/v1/projects/lab:setIamPolicy")[-1].body["policy"]
    assert written["bindings"] == [{"role": "roles/viewer", "members": ["user:2@example.com"]}]


def test_buckets_whose_policy_may_not_be_read_are_passed_over(server: Server, google: Google):
    server.answers["POST", "/v1/projects/lab:getIamPolicy"] = {}
    server.answers["GET", "/storage/v1/b"] = {"items": [{"name": "closed"}, {"name": "open"}]}
    server.answers["GET", "/storage/v1/b/closed/iam"] = lambda _: refuse(403, "forbidden", "no")
    (email,) = {"df-worker-1@lab.iam.gserviceaccount.com"}
    binding = {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{email}"]}
    server.answers["GET", "/storage/v1/b/open/iam"] = {"bindings": [binding]}
    (found,) = grants.list_grants(google, {email}, {"away"})
    assert found.id == f"b/open/roles/storage.objectViewer/serviceAccount:{email}"
    with pytest.raises(Refused):
        grants.list_grants(google, {email}, {"closed"})


def test_rules_in_the_project_of_a_shared_network_are_the_fleets_own(server: Server, google: Google):
    link = "https://www.googleapis.com/compute/v1/projects/host/global/firewalls/r"
    rule = {"name": "r", "selfLink": link, "description": f"daskfleet-fleet=research daskfleet-region={REGION}"}
    assert listing.list_host_rules(google) == []
    server.answers["GET", "/compute/v1/projects/lab/getXpnHost"] = {"name": "host"}
    server.answers["GET", "/compute/v1/projects/host/global/firewalls"] = {"items": [rule]}
    (found,) = (each for each in listing.list_host_rules(google) if Mark("research", REGION).is_on(each))
    assert listing.read_item(listing.RULE, found).id == "projects/host/global/firewalls/r"


def test_a_thing_that_is_held_on_to_is_asked_to_go_again(server: Server, google: Google):
    answers = [
        refuse(400, "resourceInUseByAnotherResource", "it is in use"),
        (200, {**DONE, "error": {"errors": [{"code": "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "message": "in use"}]}}),
        (200, DONE),
    ]
    path = f"projects/lab/regions/{REGION}/subnetworks/s"
    server.answers["DELETE", f"/compute/v1/{path}"] = lambda _: answers.pop(0)
    removal.remove_leftovers(google, [Leftover("subnet", path, "s")])
    assert not answers


def test_what_is_gone_is_passed_over_and_what_is_refused_is_named(server: Server, google: Google):
    removal.remove_leftovers(
        google,
        [
            Leftover("subnet", "projects/lab/regions/r/subnetworks/gone"),
            Leftover("secret", "projects/lab/secrets/gone"),
            Leftover("log", "projects/lab/logs/gone"),
        ],
    )
    server.answers["DELETE", "/v1/projects/lab/secrets/kept"] = lambda _: refuse(403, "PERMISSION_DENIED", "no")
    with pytest.raises(FleetError, match=r"secret kept cannot be removed: .*no"):
        removal.remove_leftovers(google, [Leftover("secret", "projects/lab/secrets/kept", "kept")])


def test_rules_of_others_in_the_fleets_own_network_go_with_it(server: Server, google: Google):
    link = "https://www.googleapis.com/compute/v1/projects/lab/global/networks/n"
    rule = {"name": "r", "network": link, "selfLink": link.replace("networks/n", "firewalls/r")}
    server.answers["GET", "/compute/v1/projects/lab/global/firewalls"] = {"items": [rule, {**rule, "network": "x"}]}
    for path in ("firewalls/r", "networks/n"):
        server.answers["DELETE", f"/compute/v1/projects/lab/global/{path}"] = DONE
    network = Leftover("network", "projects/lab/global/networks/n", "n", details={"selfLink": link})
    removal.remove_leftovers(google, [network])
    assert [call.path.rpartition("/")[2] for call in server.calls if call.method == "DELETE"] == ["r", "n"]
