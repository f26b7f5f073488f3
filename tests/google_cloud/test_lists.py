"""What is there, found by lists, filters and pages; operations; calls; copies."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

import google_calls
from google_cloud.conftest import PROJECT, REGION, ZONE, Google, answers


def names(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["name"] for item in answer.get("items", [])]


def test_zones_and_regions_are_real_ones(google: Google):
    zones = names(google.get(f"{google.compute}/zones"))
    assert {f"{REGION}-a", "europe-west1-d", "us-central1-a"} <= {*zones}
    assert "europe-west1-a" not in zones
    assert google.get(f"{google.compute}/zones/{ZONE}")["region"].endswith(f"/regions/{REGION}")
    assert names(google.get(f"{google.compute}/regions")) == ["europe-west1", REGION, "us-central1"]
    assert "Unknown zone" in google.refuse("GET", f"{google.compute}/zones/europe-west4-z/instances").message


def test_machine_types_are_not_in_all_zones(google: Google):
    def find(name: str) -> set[str]:
        scopes = google.get(f"{google.compute}/aggregated/machineTypes", filter=f'name = "{name}"')["items"]
        return {place.removeprefix("zones/") for place, scope in scopes.items() if scope.get("machineTypes")}

    assert len(find("n2-standard-4")) == 9
    assert find("a2-highgpu-1g") == {f"{REGION}-{letter}" for letter in "ab"} | {
        f"us-central1-{letter}" for letter in "abc"
    }
    arm = google.get(f"{google.zone}/machineTypes/c4a-standard-4")
    assert arm["architecture"] == "ARM64"
    gpu = google.get(f"{google.zone}/machineTypes/g2-standard-8")
    assert gpu["accelerators"] == [{"guestAcceleratorType": "nvidia-l4", "guestAcceleratorCount": 1}]
    assert google.refuse("GET", f"{google.compute}/zones/{REGION}-c/machineTypes/c4a-standard-4").status == 404


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("labels.team = x", ["one", "two"]),
        ("labels.team=x AND labels.role=a", ["one"]),
        ("(labels.team = x) (labels.role = b)", ["two"]),
        ("(labels.team = y) OR (labels.role = b)", ["three", "two"]),
        ("labels.role:*", ["one", "two"]),
        ("-labels.role:*", None),
        ('name = "one"', ["one"]),
        ("name eq 't.*'", ["three", "two"]),
        ("name ne 't.*'", ["lab", "one"]),
        ("name:wo", ["two"]),
        ("labels.team != x", ["lab", "three"]),
        ("diskSizeGb > 10", []),
        ("diskSizeGb >= 10 AND name = one", ["one"]),
        ("creationTimestamp > '2020-01-01T00:00:00Z' AND labels.team = y", ["three"]),
        ("nmae = one", None),
        ("name = ", None),
        ("name", None),
        ("(name = one", None),
        ("name = one name = two", None),
        ("name = one AND name = two OR name = three", None),
        ("name = o*", None),
        ("name =~ one", None),
    ],
)
def test_filters_find_what_they_say_or_are_refused(google: Google, question: str, found: list[str] | None):
    for name, labels in (("one", {"team": "x", "role": "a"}), ("two", {"team": "x", "role": "b"})):
        google.make_image(name, labels=labels)
    google.make_image("three", labels={"team": "y"})
    path = f"{google.everywhere}/images"
    if found is None:
        assert "filter" in google.refuse("GET", path, filter=question).message
    else:
        assert names(google.get(path, filter=question)) == found


def test_lists_come_in_pages_of_one_question(google: Google):
    for name in ("one", "two", "three"):
        google.make_image(name)
    path = f"{google.everywhere}/images"
    page = google.get(path, maxResults=3)
    assert names(page) == ["lab", "one", "three"]
    token = page["nextPageToken"]
    assert names(google.get(path, maxResults=3, pageToken=token)) == ["two"]
    assert "pageToken" in google.refuse("GET", path, maxResults=3, pageToken=token, filter="name = two").message
    assert "pageToken" in google.refuse("GET", path, pageToken="x").message
    assert "maxResults" in google.refuse("GET", path, maxResults=501).message
    assert names(google.get(path, orderBy="creationTimestamp desc"))[0] == "three"
    assert len(list(google.client.list(path, maxResults=1))) == 4


def test_aggregated_lists_have_all_places_and_say_where_nothing_is(google: Google, subnet: str):
    scopes = google.get(f"{google.compute}/aggregated/subnetworks")["items"]
    assert [item["name"] for item in scopes[f"regions/{REGION}"]["subnetworks"]] == ["subnet"]
    assert scopes["regions/us-central1"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"
    for kind in ("instanceTemplates", "instanceGroupManagers", "healthChecks", "resourcePolicies", "disks", "routers"):
        assert google.get(f"{google.compute}/aggregated/{kind}")["items"]


def test_a_part_of_an_answer_may_be_asked_for(google: Google):
    answer = google.get(f"{google.everywhere}/images", fields="items(name,labels/daskfleet-arch),nextPageToken")
    assert answer == {"items": [{"name": "lab", "labels": {"daskfleet-arch": "x86_64"}}]}
    assert "field selection" in google.refuse("GET", f"{google.everywhere}/images", fields="items(").message


def test_an_image_is_the_newest_of_its_family(google: Google):
    path = f"{google.everywhere}/images/family/lab"
    assert google.get(path)["name"] == "lab"
    google.make_image("newer", family="lab")
    assert google.get(path)["name"] == "newer"
    google.change("POST", f"{google.everywhere}/images/newer/deprecate", {"state": "DEPRECATED"})
    assert google.get(path)["name"] == "lab"
    assert google.refuse("GET", f"{google.everywhere}/images/family/none").status == 404


def test_operations_begin_and_end(google: Google):
    body = {"name": "net", "autoCreateSubnetworks": False}
    operation = google.call("POST", f"{google.everywhere}/networks", body)
    assert (operation["operationType"], operation["progress"]) == ("insert", 0)
    assert operation["targetLink"].endswith("/global/networks/net")
    path = urlsplit(operation["selfLink"]).path
    google.await_true(lambda: google.get(path)["status"] == "DONE", "it ends")
    assert google.get(path)["endTime"] > operation["insertTime"]
    assert operation["name"] in names(google.get(f"{google.everywhere}/operations"))
    assert google.refuse("GET", f"{google.region}/operations/{operation['name']}").status == 404


def test_calls_are_written_down_with_the_names_of_methods(google: Google, subnet: str):
    google.call("DELETE", "/daskfleet/calls")
    google.make_account()
    google.get(f"{google.compute}/aggregated/instances")
    google.get(f"{google.everywhere}/images/family/lab")
    google.refuse("DELETE", f"{google.region}/subnetworks/none")
    google.make_template(subnet)
    google.call("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})
    google.get(f"{google.region}/instanceGroupManagers")
    calls = google.call("GET", "/daskfleet/calls")["calls"]
    assert {call["name"] for call in calls} >= {
        "iam.serviceAccounts.create",
        "compute.instances.aggregatedList",
        "compute.subnetworks.delete",
        "compute.instanceTemplates.insert",
        "cloudresourcemanager.projects.getIamPolicy",
    }
    for call in calls:
        if "family" not in call["path"]:
            assert call["name"] == ".".join(google_calls.read_action(call["method"], call["path"]))


def test_a_copy_goes_on_by_itself(google: Google):
    copy = google.copy()
    copy.make_image("other")
    assert names(copy.get(f"{google.everywhere}/images")) == ["lab", "other"]
    assert names(google.get(f"{google.everywhere}/images")) == ["lab"]
    another = copy.copy()
    assert names(another.get(f"{google.everywhere}/images")) == ["lab", "other"]
    for each in (another, copy):
        each.control("end")
        google.await_true(lambda each=each: not answers(each), "it ends")
    assert names(google.get(f"{google.everywhere}/images")) == ["lab"]


def test_who_says_nothing_keeps_nobody_waiting(google: Google):
    parts = urlsplit(google.client.url)
    with socket.create_connection((str(parts.hostname), parts.port or 80)) as silent:
        silent.sendall(b"POST /compute/v1/projects/x HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
        assert names(google.get(f"{google.everywhere}/images")) == ["lab"]


def test_a_connection_takes_one_request_after_another_in_any_pieces(google: Google):
    parts = urlsplit(google.client.url)
    head = f"GET {google.compute}/zones/{ZONE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"
    chunked = "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with socket.create_connection((str(parts.hostname), parts.port or 80)) as client:
        client.settimeout(10)
        for piece in (head[:20], head[20:] + "\r\n" + head, chunked):
            client.sendall(piece.encode())
        read = b""
        while read.count(b"compute#zone") < 2:
            read += client.recv(65536)
    assert read.count(b"HTTP/1.1 200 OK") == 2


def test_nobody_is_answered_who_does_not_say_who_he_is(google: Google):
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(google.client.url + google.compute)
    assert caught.value.code == 401
    assert json.loads(caught.value.read())["error"]["status"] == "UNAUTHENTICATED"
