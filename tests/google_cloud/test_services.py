"""The services beside Compute Engine, asked over HTTP."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from google_client import GoogleClient, GoogleRefusal, escape
from harness import await_true
from sshd import find_free_port

TESTS = Path(__file__).parents[1]
PROJECT, REGION = "daskfleet-lab", "europe-west4"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SECRETS = f"/v1/projects/{PROJECT}/secrets"
ACCOUNTS = f"/v1/projects/{PROJECT}/serviceAccounts"
LOG = f"projects/{PROJECT}/logs/daskfleet%2F{REGION}%2Fresearch"
MACHINE = {"type": "gce_instance", "labels": {"project_id": PROJECT, "instance_id": "7", "zone": f"{REGION}-a"}}
COMMON = {"logName": LOG, "resource": MACHINE, "labels": {"daskfleet-group": "cpu", "daskfleet-node": "one"}}
ACCESSOR, WRITER = "roles/secretmanager.secretAccessor", "roles/logging.logWriter"


@dataclass
class Answer:
    """What came back of a request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


class Google(GoogleClient):
    """One stand-in, and short ways to what tests need of it."""

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """A request as it is."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body, {"Authorization": f"Bearer {self._token}", **given})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def make_account(self, name: str = "worker-one") -> str:
        email: str = self.call("POST", ACCOUNTS, {"accountId": name, "serviceAccount": {}})["email"]
        return email

    def make_secret(self, name: str = "one", data: bytes = b"data", **changes: Any) -> None:
        replicas = {"userManaged": {"replicas": [{"location": REGION}]}}
        self.call("POST", SECRETS, {"replication": replicas, **changes}, secretId=name)
        payload = {"data": base64.b64encode(data).decode()}
        self.call("POST", f"{SECRETS}/{name}:addVersion", {"payload": payload})

    def make_bucket(self, name: str = "lab-data", **objects: str) -> None:
        self.call("POST", "/storage/v1/b", {"name": name}, project=PROJECT)
        for key, text in objects.items():
            self.upload(name, key.replace("__", "/"), text)

    def upload(self, bucket: str, name: str, text: str) -> None:
        query = urlencode({"uploadType": "media", "name": name})
        answer = self.ask("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", text.encode(), Content_Type="text/plain")
        if answer.status != 200:
            raise GoogleRefusal(answer.status, answer.error["message"])

    def read_policy(self, what: str) -> dict[str, Any]:
        if what.startswith("/storage/"):
            return self.call("GET", f"{what}/iam", optionsRequestedPolicyVersion=3)
        if "/secrets/" in what:
            return self.call("GET", f"{what}:getIamPolicy", **{"options.requestedPolicyVersion": 3})
        return self.call("POST", f"{what}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})

    def write_policy(self, what: str, policy: dict[str, Any]) -> dict[str, Any]:
        if what.startswith("/storage/"):
            return self.call("PUT", f"{what}/iam", policy)
        return self.call("POST", f"{what}:setIamPolicy", {"policy": policy})

    def grant(self, what: str, role: str, email: str, **condition: str) -> None:
        binding = {
            "role": role,
            "members": [f"serviceAccount:{email}"],
            **({"condition": condition} if condition else {}),
        }
        policy = self.read_policy(what)
        self.write_policy(what, {**policy, "version": 3, "bindings": [*policy.get("bindings", ()), binding]})

    def as_machine(self, email: str, *scopes: str) -> Google:
        """The same, as a machine with this service account sees it."""
        body = {"service_account": email, "scopes": scopes or [SCOPE]}
        return Google(self.url, token=self.call("POST", "/daskfleet/token", body)["access_token"])

    def write(self, *entries: dict[str, Any], **common: Any) -> None:
        self.call("POST", "/v2/entries:write", {**COMMON, "entries": entries, **common})

    def read(self, question: str = "", **more: Any) -> list[dict[str, Any]]:
        body = {"resourceNames": [f"projects/{PROJECT}"], "filter": question, **more}
        found: list[dict[str, Any]] = self.call("POST", "/v2/entries:list", body).get("entries", [])
        return found


@pytest.fixture(scope="module")
def first() -> Iterator[Google]:
    """One with nothing in it."""
    port = find_free_port()
    process = subprocess.Popen([sys.executable, "-m", "google_cloud", str(port)], cwd=TESTS)
    google = Google(f"http://127.0.0.1:{port}", token="tests")
    try:
        await_true(lambda: process.poll() is not None or listens(google), "it listens")
        yield google
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def google(first: Google) -> Google:
    """A copy of that one, for each test."""
    port = first.call("POST", "/daskfleet/copy", {})["port"]
    return Google(f"http://127.0.0.1:{port}", token="tests")


def listens(google: Google) -> bool:
    try:
        google.call("GET", f"/v1/projects/{PROJECT}")
    except OSError:
        return False
    return True


def refuse(status: int, words: str) -> Any:
    return pytest.raises(GoogleRefusal, match=f"{status}: .*{words}")


def stamp(second: int) -> str:
    return f"2026-11-28T12:00:{second:02}Z"


# Projects


def test_a_project_is_told_by_its_name_and_by_its_number(google: Google):
    project = google.call("GET", f"/v1/projects/{PROJECT}")
    assert (project["projectId"], project["lifecycleState"]) == (PROJECT, "ACTIVE")
    assert google.call("GET", f"/v1/projects/{project['projectNumber']}") == project


def test_a_project_that_is_not_there_is_nobodys(google: Google):
    for path in ("/v1/projects/nothing", "/v1/projects/nothing/secrets", "/v1/projects/nothing/serviceAccounts"):
        with refuse(403, "nothing"):
            google.call("GET", path)


def test_a_project_that_was_created_is_another_one(google: Google):
    google.call("POST", "/v1/projects", {"projectId": "another-lab"})
    google.make_secret()
    assert google.call("GET", "/v1/projects/another-lab")["projectId"] == "another-lab"
    assert list(google.list("/v1/projects/another-lab/secrets", "secrets")) == []


def test_who_does_not_say_who_he_is_is_refused(google: Google):
    assert google.ask("GET", SECRETS, Authorization="").error["status"] == "UNAUTHENTICATED"


def test_what_a_method_does_not_take_is_refused(google: Google):
    with refuse(400, 'Unknown name "color"'):
        google.call("GET", SECRETS, color="blue")
    with refuse(400, 'Unknown name "color"'):
        google.call("POST", ACCOUNTS, {"accountId": "worker-one", "color": "blue"})
    with refuse(400, 'Unknown name "color"'):
        google.write({"textPayload": "x", "color": "blue"})
    with refuse(404, "not found on this server"):
        google.call("POST", f"{SECRETS}:color", {})


# Service accounts


def test_a_service_account_is_what_was_asked_for_until_it_is_deleted(google: Google):
    body = {"accountId": "worker-one", "serviceAccount": {"displayName": "One", "description": "daskfleet-fleet=a"}}
    account = google.call("POST", ACCOUNTS, body)
    assert account["email"] == f"worker-one@{PROJECT}.iam.gserviceaccount.com"
    assert google.call("GET", f"/v1/{account['name']}") == account
    assert list(google.list(ACCOUNTS, "accounts")) == [account]
    with refuse(409, "already exists"):
        google.call("POST", ACCOUNTS, body)
    google.call("DELETE", f"/v1/{account['name']}")
    assert google.get(f"/v1/{account['name']}") is None


@pytest.mark.parametrize("name", ["five5", "a" * 31, "Worker-one", "worker-", ""])
def test_an_account_id_that_google_does_not_take_is_refused(google: Google, name: str):
    with refuse(400, "Invalid service account ID"):
        google.make_account(name)


def test_a_service_account_changes_by_its_mask(google: Google):
    path = f"{ACCOUNTS}/{google.make_account()}"
    body = {"updateMask": "display_name,description", "serviceAccount": {"displayName": "A", "description": "B"}}
    google.call("PATCH", path, body)
    google.call("PATCH", path, {"updateMask": "display_name", "serviceAccount": {}})
    account = google.call("GET", path)
    assert (account.get("displayName"), account["description"]) == (None, "B")
    with refuse(409, "concurrent"):
        google.call("PATCH", path, {"updateMask": "description", "serviceAccount": {"etag": "other"}})


def test_service_accounts_come_in_pages(google: Google):
    names = [f"worker-{number:02}" for number in range(23)]
    for name in names:
        google.make_account(name)
    assert len(google.call("GET", ACCOUNTS)["accounts"]) == 20
    assert [each["email"].partition("@")[0] for each in google.list(ACCOUNTS, "accounts")] == names


# Policies


@pytest.mark.parametrize(
    ("what", "status"),
    [(f"/v1/projects/{PROJECT}", 409), (f"{SECRETS}/one", 409), ("/storage/v1/b/lab-data", 412)],
    ids=["project", "secret", "bucket"],
)
def test_a_policy_is_written_by_who_knows_the_last_one(google: Google, what: str, status: int):
    google.make_secret()
    google.make_bucket()
    known = google.read_policy(what)
    google.grant(what, "roles/owner", google.make_account())
    assert google.read_policy(what)["etag"] != known["etag"]
    with refuse(status, ""):
        google.write_policy(what, known)
    assert google.read_policy(what)["bindings"][0]["role"] == "roles/owner"


def test_a_role_is_not_granted_to_an_account_that_is_not_there(google: Google):
    with refuse(400, "does not exist"):
        google.grant(f"/v1/projects/{PROJECT}", WRITER, f"nobody@{PROJECT}.iam.gserviceaccount.com")


def test_a_policy_says_of_a_deleted_account_that_it_is_deleted(google: Google):
    email = google.make_account()
    google.grant(f"/v1/projects/{PROJECT}", WRITER, email)
    google.call("DELETE", f"{ACCOUNTS}/{email}")
    (binding,) = google.read_policy(f"/v1/projects/{PROJECT}")["bindings"]
    assert binding["members"][0].startswith(f"deleted:serviceAccount:{email}?uid=")


def test_who_does_not_ask_for_conditions_sees_a_role_that_cannot_be_written(google: Google):
    google.make_bucket()
    google.grant("/storage/v1/b/lab-data", "roles/storage.objectViewer", google.make_account(), **below("a/"))
    policy = google.call("GET", "/storage/v1/b/lab-data/iam")
    assert "_withcond_" in policy["bindings"][0]["role"]
    with refuse(400, "not supported"):
        google.write_policy("/storage/v1/b/lab-data", policy)


def test_a_condition_that_is_not_understood_is_refused(google: Google):
    google.make_bucket()
    for expression in ("resource.name.matches('a')", "resource.name", "1 == 1"):
        with refuse(400, "not understood"):
            condition = {"title": "t", "expression": expression}
            google.grant(
                "/storage/v1/b/lab-data",
                "roles/storage.objectViewer",
                google.make_account("some-" + str(len(expression))),
                **condition,
            )


# Secrets


def test_a_secret_has_its_data_until_the_version_is_destroyed(google: Google):
    google.make_secret("one", b"\x00data", labels={"daskfleet-fleet": "research"})
    access = f"{SECRETS}/one/versions/latest:access"
    answer = google.call("GET", access)
    number = google.call("GET", f"/v1/projects/{PROJECT}")["projectNumber"]
    assert base64.b64decode(answer["payload"]["data"]) == b"\x00data"
    assert answer["name"] == f"projects/{number}/secrets/one/versions/1"
    for verb in ("disable", "destroy"):
        google.call("POST", f"{SECRETS}/one/versions/1:{verb}", {})
        with refuse(400, "state"):
            google.call("GET", access)
    google.call("DELETE", f"{SECRETS}/one")
    with refuse(404, "not found"):
        google.call("GET", access)


def test_the_latest_version_is_the_newest_one(google: Google):
    google.make_secret()
    google.call("POST", f"{SECRETS}/one:addVersion", {"payload": {"data": base64.b64encode(b"new").decode()}})
    assert base64.b64decode(google.call("GET", f"{SECRETS}/one/versions/latest:access")["payload"]["data"]) == b"new"
    assert [each["name"][-1] for each in google.list(f"{SECRETS}/one/versions", "versions")] == ["2", "1"]


def test_data_comes_with_its_checksum_and_another_one_is_refused(google: Google):
    google.make_secret("one", b"123456789")
    answer = google.call("GET", f"{SECRETS}/one/versions/1:access")
    assert answer["payload"]["dataCrc32c"] == str(0xE3069283)
    with refuse(400, "checksum"):
        google.call("POST", f"{SECRETS}/one:addVersion", {"payload": {"data": "MTIz", "dataCrc32c": "1"}})


def test_secrets_are_found_by_their_labels(google: Google):
    google.make_secret("one", labels={"daskfleet-fleet": "a", "daskfleet-region": REGION})
    google.make_secret("two", labels={"daskfleet-fleet": "a", "daskfleet-region": "other"})
    google.make_secret("three")
    question = f"labels.daskfleet-fleet=a AND labels.daskfleet-region={REGION}"
    assert [each["name"][-3:] for each in google.list(SECRETS, "secrets", filter=question)] == ["one"]
    assert len(list(google.list(SECRETS, "secrets", pageSize=2))) == 3
    with refuse(400, "filter"):
        google.call("GET", SECRETS, filter="color=blue")


def test_a_secret_changes_by_its_mask(google: Google):
    google.make_secret("one", labels={"a": "b"}, annotations={"c": "d"})
    google.call("PATCH", f"{SECRETS}/one", {"labels": {"a": "x"}}, updateMask="labels")
    secret = google.call("GET", f"{SECRETS}/one")
    assert (secret["labels"], secret["annotations"]) == ({"a": "x"}, {"c": "d"})
    with refuse(400, "mask"):
        google.call("PATCH", f"{SECRETS}/one", {"replication": {"automatic": {}}}, updateMask="replication")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"replication": {}}, "Replication"),
        ({"replication": {"userManaged": {"replicas": []}}}, "replica"),
        ({"replication": {"userManaged": {"replicas": [{"location": "nowhere"}]}}}, "location"),
        ({"labels": {"A": "b"}}, "lower-case"),
        ({"labels": ["a"]}, "map"),
    ],
)
def test_a_secret_that_google_does_not_take_is_refused(google: Google, changes: dict[str, Any], words: str):
    with refuse(400, words):
        google.make_secret(**changes)


# What machines may do


def test_a_machine_reads_the_secrets_that_its_account_may_read(google: Google):
    google.make_secret("one")
    google.make_secret("two")
    email = google.make_account()
    google.grant(f"{SECRETS}/one", ACCESSOR, email)
    machine = google.as_machine(email)
    machine.call("GET", f"{SECRETS}/one/versions/latest:access")
    for path in (f"{SECRETS}/two/versions/latest:access", f"{SECRETS}/one", SECRETS, f"{SECRETS}/no/versions/1:access"):
        with refuse(403, "denied"):
            machine.call("GET", path)
    (detail,) = machine.ask("GET", f"{SECRETS}/two/versions/latest:access").error["details"]
    assert detail["reason"] == "IAM_PERMISSION_DENIED"


def test_a_machine_writes_logs_when_its_account_may_and_cannot_read_them(google: Google):
    email = google.make_account()
    machine = google.as_machine(email)
    with refuse(403, "logging.logEntries.create"):
        machine.write({"textPayload": "x"})
    google.grant(f"/v1/projects/{PROJECT}", WRITER, email)
    machine.write({"textPayload": "x"})
    with refuse(403, "logging.logEntries.list"):
        machine.read()
    assert len(google.read()) == 1


def test_a_machine_reaches_what_is_below_the_prefix_of_its_role(google: Google):
    google.make_bucket(input__a="A", output__b="B")
    email = google.make_account()
    google.grant("/storage/v1/b/lab-data", "roles/storage.objectViewer", email, **below("input/"))
    machine = google.as_machine(email)
    base = "/storage/v1/b/lab-data/o"
    assert machine.ask("GET", f"{base}/input%2Fa?alt=media").body == b"A"
    assert [each["name"] for each in machine.list(base, prefix="input/")] == ["input/a"]
    for path in (f"{base}/output%2Fb", base, f"{base}?prefix=output/"):
        assert machine.ask("GET", path).error["code"] == 403
    with refuse(403, "storage.objects.create"):
        machine.upload("lab-data", "input/c", "C")
    google.grant("/storage/v1/b/lab-data", "roles/storage.objectUser", email, **below("output/"))
    machine.upload("lab-data", "output/c", "C")
    assert machine.ask("DELETE", f"{base}/output%2Fc").status == 204
    assert machine.ask("DELETE", f"{base}/input%2Fa").status == 403


def below(prefix: str) -> dict[str, str]:
    """A condition for objects below a prefix."""
    listed = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "")'
    named = f'resource.name.startsWith("projects/_/buckets/lab-data/objects/{prefix}")'
    return {"title": prefix, "expression": f'{named} || {listed}.startsWith("{prefix}")'}


def test_a_machine_does_what_its_scopes_allow(google: Google):
    email = google.make_account()
    google.grant(f"/v1/projects/{PROJECT}", "roles/editor", email)
    machine = google.as_machine(email, "https://www.googleapis.com/auth/logging.write")
    machine.write({"textPayload": "x"})
    (detail,) = machine.ask("GET", SECRETS).error["details"]
    assert detail["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_a_machine_asks_compute_engine_only_with_a_role_for_it(google: Google):
    email = google.make_account()
    machine = google.as_machine(email)
    networks = f"/compute/v1/projects/{PROJECT}/global/networks"
    with refuse(403, "compute.networks.list"):
        machine.call("GET", networks)
    google.grant(f"/v1/projects/{PROJECT}", "roles/compute.viewer", email)
    machine.call("GET", networks)
    with refuse(403, "compute.networks.insert"):
        machine.call("POST", networks, {"name": "one", "autoCreateSubnetworks": False})


def test_a_token_ends_with_its_account(google: Google):
    email = google.make_account()
    google.grant(f"/v1/projects/{PROJECT}", "roles/editor", email)
    machine = google.as_machine(email)
    machine.call("GET", SECRETS)
    google.call("POST", f"{ACCOUNTS}/{email}:disable", {})
    with refuse(401, "invalid authentication"):
        machine.call("GET", SECRETS)
    google.call("POST", f"{ACCOUNTS}/{email}:enable", {})
    machine.call("GET", SECRETS)
    google.call("DELETE", f"{ACCOUNTS}/{email}")
    google.make_account()
    with refuse(401, "invalid authentication"):
        machine.call("GET", SECRETS)


def test_a_machine_may_have_the_account_that_each_project_has(google: Google):
    number = google.call("GET", f"/v1/projects/{PROJECT}")["projectNumber"]
    email = f"{number}-compute@developer.gserviceaccount.com"
    machine = google.as_machine(email)
    with refuse(403, "denied"):
        machine.call("GET", SECRETS)
    google.grant(f"/v1/projects/{PROJECT}", "roles/editor", email)
    machine.call("GET", SECRETS)


def test_a_service_accounts_credentials_get_a_token(google: Google):
    claims = base64.urlsafe_b64encode(json.dumps({"iss": "a@example.com", "scope": SCOPE}).encode()).decode().strip("=")
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    answer = google.ask("POST", "/token", urlencode({"grant_type": grant, "assertion": f"x.{claims}.x"}).encode())
    token = json.loads(answer.body)
    assert token["token_type"] == "Bearer"
    Google(google.url, token=token["access_token"]).call("GET", SECRETS)
    refused = google.ask("POST", "/token", urlencode({"grant_type": grant, "assertion": "x"}).encode())
    assert (refused.status, refused.error) == (400, "invalid_grant")


# Storage


def test_objects_are_listed_by_prefix_and_folder(google: Google):
    google.make_bucket(a__1="x", a__b__2="x", c="x")
    base = "/storage/v1/b/lab-data/o"
    assert [each["name"] for each in google.list(base, maxResults=1)] == ["a/1", "a/b/2", "c"]
    page = google.call("GET", base, prefix="a/", delimiter="/")
    assert (page["prefixes"], [each["name"] for each in page["items"]]) == (["a/b/"], ["a/1"])


def test_an_object_is_read_in_parts(google: Google):
    google.make_bucket(one="0123456789")
    path = "/storage/v1/b/lab-data/o/one?alt=media"
    part = google.ask("GET", path, Range="bytes=2-4")
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert google.ask("GET", path, Range="bytes=-3").body == b"789"
    assert google.ask("GET", path, Range="bytes=10-").status == 416
    assert google.ask("GET", path).headers["Content-Type"] == "text/plain"


def test_an_object_may_come_with_what_is_told_of_it(google: Google):
    google.make_bucket()
    told = json.dumps({"name": "a b", "metadata": {"color": "blue"}})
    body = (
        f"--mark\r\nContent-Type: application/json\r\n\r\n{told}\r\n"
        "--mark\r\nContent-Type: text/css\r\n\r\n\r\ncontent\r\n\r\n--mark--\r\n"
    )
    kind = "multipart/related; boundary=mark"
    path = "/upload/storage/v1/b/lab-data/o?uploadType=multipart"
    assert google.ask("POST", path, body.encode(), Content_Type=kind).status == 200
    found = google.call("GET", "/storage/v1/b/lab-data/o/a%20b")
    assert (found["metadata"], found["contentType"]) == ({"color": "blue"}, "text/css")
    assert google.ask("GET", "/storage/v1/b/lab-data/o/a%20b?alt=media").body == b"\r\ncontent\r\n"


def test_a_bucket_goes_when_it_is_empty(google: Google):
    google.make_bucket(one="x")
    assert [each["name"] for each in google.list("/storage/v1/b", project=PROJECT)] == ["lab-data"]
    with refuse(409, "not empty"):
        google.call("DELETE", "/storage/v1/b/lab-data")
    google.call("DELETE", "/storage/v1/b/lab-data/o/one")
    google.call("DELETE", "/storage/v1/b/lab-data")
    assert google.get("/storage/v1/b/lab-data") is None
    assert google.ask("GET", "/storage/v1/b/lab-data").error["errors"][0]["reason"] == "notFound"


# Logs


def test_entries_have_what_the_request_says_of_all_of_them_and_keep_what_is_their_own(google: Google):
    own = {"logName": f"projects/{PROJECT}/logs/other", "labels": {"daskfleet-node": "two"}, "timestamp": stamp(2)}
    google.write(
        {"textPayload": "a", "timestamp": stamp(1)}, {"textPayload": "b", "resource": {"type": "global"}, **own}
    )
    one, two = google.read()
    assert (one["logName"], one["resource"], one["labels"]) == (LOG, MACHINE, COMMON["labels"])
    assert (two["logName"], two["resource"]) == (own["logName"], {"type": "global"})
    assert two["labels"] == {"daskfleet-group": "cpu", "daskfleet-node": "two"}
    assert (one["severity"], one["timestamp"]) == ("DEFAULT", stamp(1))


def test_an_entry_without_a_log_or_a_resource_is_refused(google: Google):
    for common, words in (
        ({"logName": None}, "Log name"),
        ({"logName": LOG.replace("%2F", "/")}, "%2F"),
        ({"resource": None}, "resource"),
    ):
        with refuse(400, words):
            google.write({"textPayload": "x"}, **common)


def test_nothing_is_written_when_one_entry_is_wrong_unless_a_part_is_a_success(google: Google):
    entries = [{"textPayload": "good"}, {"textPayload": "x", "severity": "LOUD"}, {"textPayload": "x" * 300_000}]
    with refuse(400, "LOUD"):
        google.write(*entries)
    assert google.read() == []
    body = json.dumps({**COMMON, "entries": entries, "partialSuccess": True}).encode()
    answer = google.ask("POST", "/v2/entries:write", body, Content_Type="application/json")
    assert answer.status == 400
    assert sorted(answer.error["details"][0]["logEntryErrors"]) == ["1", "2"]
    assert [each["textPayload"] for each in google.read()] == ["good"]


def test_an_entry_that_is_written_again_is_there_once(google: Google):
    entry = {"insertId": "a", "timestamp": stamp(1), "textPayload": "x"}
    google.write(entry, entry)
    google.write(entry, {**entry, "insertId": "b"})
    assert [each["insertId"] for each in google.read()] == ["a", "b"]


def test_entries_come_by_their_time_and_then_by_their_id(google: Google):
    moments = [
        "2026-11-28T12:00:01Z",
        "2026-11-28T12:00:01.5Z",
        "2026-11-28T12:00:01.500000001Z",
        "2026-11-28T13:00:01+02:00",
    ]
    google.write(*({"insertId": str(index), "timestamp": each} for index, each in enumerate(moments)))
    google.write({"insertId": "00", "timestamp": moments[0]})
    assert [each["insertId"] for each in google.read()] == ["3", "0", "00", "1", "2"]
    newest = google.call(
        "POST",
        "/v2/entries:list",
        {"resourceNames": [f"projects/{PROJECT}"], "orderBy": "timestamp desc", "pageSize": 2},
    )
    assert [each["insertId"] for each in newest["entries"]] == ["2", "1"]
    assert newest["nextPageToken"]


def test_entries_are_found_by_log_time_labels_and_payload(google: Google):
    mark = {"phase": "ready", "at": 1}
    google.write({"insertId": "a", "timestamp": stamp(1), "jsonPayload": mark, "severity": "NOTICE"})
    google.write({"insertId": "b", "timestamp": stamp(2), "textPayload": "x"}, labels={"daskfleet-group": "gpu"})
    google.write({"insertId": "c", "timestamp": stamp(3), "textPayload": "x"}, logName=f"projects/{PROJECT}/logs/other")

    def ask(question: str) -> str:
        return "".join(each["insertId"] for each in google.read(question))

    assert ask(f'logName="{LOG}"') == "ab"
    assert ask(f'logName="{LOG}" AND timestamp>="2026-11-28T12:00:01.500000+00:00"') == "b"
    assert ask(f'logName="{LOG}" AND timestamp>="{stamp(0)}" AND jsonPayload.phase:*') == "a"
    assert ask('labels."daskfleet-group"="cpu" AND labels."daskfleet-node"="one"') == "ac"
    assert google.read("jsonPayload.phase=ready")[0]["jsonPayload"] == mark
    with refuse(400, "filter"):
        ask("color=blue")


def test_a_log_is_there_until_it_is_deleted(google: Google):
    google.write({"textPayload": "x"})
    google.write({"textPayload": "x"}, logName=f"projects/{PROJECT}/logs/other")
    path = f"/v2/projects/{PROJECT}/logs"
    assert list(google.list(path, "logNames", pageSize=1)) == [LOG, f"projects/{PROJECT}/logs/other"]
    google.call("DELETE", f"{path}/{escape(f'daskfleet/{REGION}/research')}")
    assert list(google.list(path, "logNames")) == [f"projects/{PROJECT}/logs/other"]
    with refuse(404, "does not exist"):
        google.call("DELETE", f"/v2/{LOG}")


# All of it


def test_a_copy_goes_on_by_itself(google: Google):
    google.make_secret()
    copy = Google(f"http://127.0.0.1:{google.call('POST', '/daskfleet/copy', {})['port']}", token="tests")
    google.call("DELETE", f"{SECRETS}/one")
    assert base64.b64decode(copy.call("GET", f"{SECRETS}/one/versions/1:access")["payload"]["data"]) == b"data"


def test_only_the_fields_that_are_asked_for_are_told(google: Google):
    google.make_secret()
    assert google.call("GET", SECRETS, fields="secrets(labels),totalSize") == {"secrets": [{}], "totalSize": 1}
