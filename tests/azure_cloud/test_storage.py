"""Storage accounts, their containers and blobs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from azure_cloud.client import Reply
from azure_cloud.conftest import GROUP, LOCATION, SCOPE, Azure

ACCOUNTS = "Microsoft.Storage/storageAccounts"
CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
RESOURCE = "https://storage.azure.com/"
APPEND = {"x_ms_blob_type": "AppendBlob"}
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


def list_names(reply: Reply) -> list[str]:
    return [each.findtext("Name", "") for each in ElementTree.fromstring(reply.body).iter("Blob")]


def test_an_account_is_told_with_its_addresses_and_its_name_is_given_once(azure: Azure):
    azure.make_container()
    account = azure.get(azure.place(ACCOUNTS, "daskfleetlab"))
    assert account["properties"]["primaryEndpoints"]["blob"] == "https://daskfleetlab.blob.core.windows.net/"
    assert account["sku"] == {"name": "Standard_LRS", "tier": "Standard"}
    azure.make_group("other")
    body = {"location": LOCATION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    other = f"{SCOPE}/resourceGroups/other/providers/{ACCOUNTS}/daskfleetlab"
    assert azure.refuse("PUT", other, body).code == "StorageAccountAlreadyTaken"
    assert azure.refuse("PUT", azure.place(ACCOUNTS, "Lab"), body).code == "AccountNameInvalid"
    question = {"name": "daskfleetlab", "type": ACCOUNTS}
    assert not azure.call("POST", f"{SCOPE}/providers/Microsoft.Storage/checkNameAvailability", question)[
        "nameAvailable"
    ]


def test_an_account_changes_in_parts(azure: Azure):
    azure.make_container()
    path = azure.place(ACCOUNTS, "daskfleetlab")
    azure.change("PATCH", path, {"properties": {"allowSharedKeyAccess": False}, "tags": {"a": "b"}})
    told = azure.get(path)
    assert (told["properties"]["allowSharedKeyAccess"], told["tags"]) == (False, {"a": "b"})


def test_a_container_has_no_public_blobs_where_its_account_allows_none(azure: Azure):
    container = azure.make_container()
    assert azure.get(container)["properties"]["publicAccess"] == "None"
    assert azure.refuse("PUT", container, {"properties": {"publicAccess": "Blob"}}).code == "PublicAccessNotPermitted"
    listed = azure.list(container.rpartition("/")[0])
    assert [each["name"] for each in listed] == ["logs"]
    assert azure.refuse("PUT", container.replace("/logs", "/Logs"), {}).code == "InvalidResourceName"


def test_blocks_are_appended_where_they_belong(azure: Azure):
    azure.make_container()
    assert azure.blob("PUT", "logs/cpu/one/00000", **APPEND).status == 201
    first = azure.blob("PUT", "logs/cpu/one/00000?comp=appendblock", b"one\n", x_ms_blob_condition_appendpos="0")
    assert (first.status, first.headers["x-ms-blob-append-offset"]) == (201, "0")
    again = azure.blob("PUT", "logs/cpu/one/00000?comp=appendblock", b"one\n", x_ms_blob_condition_appendpos="0")
    assert (again.status, again.headers["x-ms-error-code"]) == (412, "AppendPositionConditionNotMet")
    azure.blob("PUT", "logs/cpu/one/00000?comp=appendblock", b"two\n", x_ms_blob_condition_appendpos="4")
    head = azure.blob("HEAD", "logs/cpu/one/00000")
    assert (head.headers["content-length"], head.headers["x-ms-blob-committed-block-count"]) == ("8", "2")
    assert azure.blob("GET", "logs/cpu/one/00000").body == b"one\ntwo\n"
    part = azure.blob("GET", "logs/cpu/one/00000", x_ms_range="bytes=4-")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"two\n", "bytes 4-7/8")
    assert azure.blob("GET", "logs/cpu/one/00000", Range="bytes=8-").status == 416


def test_an_account_is_asked_by_its_host_too(azure: Azure):
    azure.make_container()
    azure.blob("PUT", "logs/a", b"text", x_ms_blob_type="BlockBlob")
    host = "daskfleetlab.blob.core.windows.net"
    assert azure.ask("GET", "/logs/a", Host=host, x_ms_version="2023-11-03").body == b"text"


def test_a_blob_has_so_many_blocks_and_no_more(azure: Azure):
    azure.make_container()
    azure.control("pace", blocks=2)
    azure.blob("PUT", "logs/a", **APPEND)
    found = [azure.blob("PUT", "logs/a?comp=appendblock", b"x").status for _ in range(3)]
    assert found == [201, 201, 409]
    assert azure.blob("PUT", "logs/a?comp=appendblock", b"x").headers["x-ms-error-code"] == "BlockCountExceedsLimit"


def test_a_blob_is_made_once_where_that_is_asked(azure: Azure):
    azure.make_container()
    assert azure.blob("PUT", "logs/a", **APPEND, If_None_Match="*").status == 201
    refused = azure.blob("PUT", "logs/a", **APPEND, If_None_Match="*")
    assert (refused.status, refused.headers["x-ms-error-code"]) == (409, "BlobAlreadyExists")
    azure.blob("PUT", "logs/b", b"text", x_ms_blob_type="BlockBlob")
    assert azure.blob("PUT", "logs/b?comp=appendblock", b"x").headers["x-ms-error-code"] == "InvalidBlobType"
    assert azure.blob("PUT", "logs/c?comp=appendblock", b"x").headers["x-ms-error-code"] == "BlobNotFound"
    assert azure.blob("PUT", "none/c", **APPEND).headers["x-ms-error-code"] == "ContainerNotFound"


def test_metadata_is_replaced_and_listed(azure: Azure):
    azure.make_container()
    azure.blob("PUT", "logs/a", **APPEND, x_ms_meta_first="1")
    azure.blob("PUT", "logs/a?comp=metadata", x_ms_meta_marks="%5B%5D")
    assert azure.blob("GET", "logs/a?comp=metadata").headers["x-ms-meta-marks"] == "%5B%5D"
    assert "x-ms-meta-first" not in azure.blob("HEAD", "logs/a").headers
    reply = azure.blob("GET", "logs?restype=container&comp=list&include=metadata")
    assert ElementTree.fromstring(reply.body).findtext("Blobs/Blob/Metadata/marks") == "%5B%5D"
    assert (
        ElementTree.fromstring(azure.blob("GET", "logs?restype=container&comp=list").body).find("*//Metadata") is None
    )
    large = azure.blob("PUT", "logs/a?comp=metadata", x_ms_meta_marks="x" * 9000)
    assert large.headers["x-ms-error-code"] == "MetadataTooLarge"


def test_blobs_are_listed_in_pages_by_prefix_and_folder(azure: Azure):
    azure.make_container()
    for name in ("a/1", "a/2", "b/1"):
        azure.blob("PUT", f"logs/{name}", **APPEND)
    place = "logs?restype=container&comp=list"
    first = azure.blob("GET", f"{place}&maxresults=2")
    marker = ElementTree.fromstring(first.body).findtext("NextMarker")
    assert list_names(first) == ["a/1", "a/2"]
    assert list_names(azure.blob("GET", f"{place}&maxresults=2&marker={marker}")) == ["b/1"]
    assert list_names(azure.blob("GET", f"{place}&prefix=a/")) == ["a/1", "a/2"]
    folders = ElementTree.fromstring(azure.blob("GET", f"{place}&delimiter=/").body)
    assert [each.findtext("Name") for each in folders.iter("BlobPrefix")] == ["a/", "b/"]


def test_a_machine_writes_where_its_role_is_and_deletes_nothing_by_its_condition(azure: Azure):
    container, identity = azure.make_container(), azure.make_identity()
    token = azure.control("token", client_id=identity["properties"]["clientId"], resource=RESOURCE)["access_token"]
    refused = azure.blob("PUT", "logs/a", token=token, **APPEND)
    assert (refused.status, refused.headers["x-ms-error-code"]) == (403, "AuthorizationPermissionMismatch")
    condition = f"((!(ActionMatches{{'{BLOBS}/delete'}})))"
    azure.grant(container, CONTRIBUTOR, identity, condition=condition, conditionVersion="2.0")
    assert azure.blob("PUT", "logs/a", token=token, **APPEND).status == 201
    assert azure.blob("DELETE", "logs/a", token=token).status == 403
    assert azure.blob("DELETE", "logs/a").status == 202


def test_a_machine_reads_below_the_prefix_of_its_condition(azure: Azure):
    container, identity = azure.make_container(), azure.make_identity()
    for name in ("input/a", "other/b"):
        azure.blob("PUT", f"logs/{name}", **APPEND)
    token = azure.control("token", client_id=identity["properties"]["clientId"], resource=RESOURCE)["access_token"]
    listing = f"ActionMatches{{'{BLOBS}/read'}} AND SubOperationMatches{{'Blob.List'}}"
    reading = f"ActionMatches{{'{BLOBS}/read'}} AND NOT SubOperationMatches{{'Blob.List'}}"
    condition = (
        f"((!({listing})) OR (@Request[{BLOBS}:prefix] StringStartsWith 'input/')) AND "
        f"((!({reading})) OR (@Resource[{BLOBS}:path] StringStartsWith 'input/'))"
    )
    azure.grant(container, READER, identity, condition=condition, conditionVersion="2.0")
    place = "logs?restype=container&comp=list"
    assert azure.blob("GET", "logs/input/a", token=token).status == 200
    assert azure.blob("GET", "logs/other/b", token=token).status == 403
    assert azure.blob("GET", place, token=token).status == 403
    assert list_names(azure.blob("GET", f"{place}&prefix=input/", token=token)) == ["input/a"]


@pytest.mark.parametrize(
    ("token", "headers", "status", "code"),
    [
        ("", {}, 401, "NoAuthenticationInformation"),
        ("tests", {"x_ms_version": "2015-01-01"}, 400, "InvalidHeaderValue"),
    ],
)
def test_who_asks_wrongly_is_refused_in_xml(azure: Azure, token: str, headers: dict[str, str], status: int, code: str):
    azure.make_container()
    reply = azure.client.__class__(azure.url, token).ask("GET", "/blob/daskfleetlab/logs/a", **headers)
    assert (reply.status, ElementTree.fromstring(reply.body).findtext("Code")) == (status, code)


def test_blobs_go_with_their_container(azure: Azure):
    container = azure.make_container()
    azure.blob("PUT", "logs/a", **APPEND)
    azure.call("DELETE", container)
    assert azure.blob("GET", "logs/a").headers["x-ms-error-code"] == "ContainerNotFound"
    azure.call("PUT", container, {})
    assert azure.blob("GET", "logs/a").headers["x-ms-error-code"] == "BlobNotFound"
    azure.change("DELETE", GROUP)
    assert azure.blob("GET", "logs/a").headers["x-ms-error-code"] == "AccountNotFound"
