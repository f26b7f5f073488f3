"""Machines, disks, images, sizes and quotas."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from azure_cloud.conftest import (
    DATA,
    GROUP,
    KEY,
    LOCATION,
    MACHINES,
    SCOPE,
    Azure,
    render_disk,
    render_machine,
    render_system,
)

DISKS = "Microsoft.Compute/disks"
COMPUTE = f"{SCOPE}/providers/Microsoft.Compute"
INTERFACES = "Microsoft.Network/networkInterfaces"
SPOT = {"priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": -1}}


def read_codes(azure: Azure, path: str) -> list[str]:
    return [each["code"] for each in azure.get(f"{path}/instanceView")["statuses"]]


def list_told(azure: Azure) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = azure.client.ask("GET", "/daskfleet/machines").json["machines"]
    return found


def test_a_machine_runs_with_its_disk_and_its_interface(azure: Azure):
    identity = azure.make_identity()
    assigned = {"type": "UserAssigned", "userAssignedIdentities": {identity["id"]: {}}}
    made = azure.make_machine(identity=assigned, zones=["1"], tags={"Name": "one"})
    path = made["id"]
    assert read_codes(azure, path) == ["ProvisioningState/succeeded", "PowerState/running"]
    assert "customData" not in made["properties"]["osProfile"]
    client = made["identity"]["userAssignedIdentities"][identity["id"]]["clientId"]
    assert client == identity["properties"]["clientId"]
    disk = azure.get(made["properties"]["storageProfile"]["osDisk"]["managedDisk"]["id"])
    assert (disk["managedBy"], disk["sku"], disk["zones"]) == (path, {"name": "Premium_LRS"}, ["1"])
    [interface] = made["properties"]["networkProfile"]["networkInterfaces"]
    assert azure.get(interface["id"])["properties"]["virtualMachine"] == {"id": path}
    expanded = azure.get(path, **{"$expand": "instanceView"})
    assert expanded["properties"]["instanceView"]["statuses"][1]["code"] == "PowerState/running"


def test_whoever_switches_machines_on_is_told_what_they_boot_with(azure: Azure):
    azure.make_machine()
    [told] = list_told(azure)
    assert (told["name"], told["power"], told["customData"]) == ("one", "running", DATA)
    assert told["publicKeys"] == [KEY]
    assert told["image"].endswith("/galleries/images/images/lab")
    assert told["interfaces"][0]["address"] == "10.0.0.4"


def test_a_machine_goes_with_what_is_to_go_with_it(azure: Azure):
    path = azure.make_machine()["id"]
    disk = next(azure.list(f"{GROUP}/providers/{DISKS}"))["id"]
    assert azure.refuse("DELETE", disk).code == "OperationNotAllowed"
    assert azure.refuse("DELETE", azure.place(INTERFACES, "one")).code == "NicInUse"
    azure.change("DELETE", path)
    assert azure.find(path) is None
    assert list(azure.list(f"{GROUP}/providers/{DISKS}")) == []
    assert list(azure.list(f"{GROUP}/providers/{INTERFACES}")) == []


def test_what_is_not_to_go_with_a_machine_stays(azure: Azure):
    image, interface = azure.image, azure.make_interface(azure.make_network())
    storage = {"imageReference": {"id": image}, "osDisk": render_disk(deleteOption="Detach")}
    network = {"networkInterfaces": [{"id": interface}]}
    body = render_machine(image, interface, properties={"storageProfile": storage, "networkProfile": network})
    path = azure.change("PUT", azure.place(MACHINES, "one"), body)["id"]
    azure.change("DELETE", path)
    [disk] = azure.list(f"{GROUP}/providers/{DISKS}")
    assert "managedBy" not in disk
    azure.change("DELETE", disk["id"])
    azure.change("DELETE", interface)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hardwareProfile": {"vmSize": "Standard_X1"}}, "is not available in the current region"),
        ({"hardwareProfile": {"vmSize": "Standard_D2ps_v5"}}, "CPU Architecture"),
        ({"hardwareProfile": {"vmSize": "Standard_D2_v5"}}, "does not support the storage account type"),
        ({"osProfile": render_system(computerName="a_b")}, "Linux host name"),
        ({"osProfile": render_system(computerName="one", adminUsername="root")}, "Admin Username"),
        ({"osProfile": render_system(computerName="one", customData="#cloud-config")}, "Base64"),
        (
            {"osProfile": render_system(computerName="one", customData=base64.b64encode(b"x" * 65537).decode())},
            "maximum length",
        ),
        ({"osProfile": render_system(computerName="one", linuxConfiguration={})}, "adminPassword"),
        ({"evictionPolicy": "Delete"}, "only on Azure Spot"),
        ({"billingProfile": {"maxPrice": -1}}, "only for Azure Spot"),
        ({"networkProfile": {}}, "must have one network interface"),
        ({"priority": "Spotty"}, "cannot be 'Spotty'"),
        ({"vmId": "1"}, "is read-only"),
    ],
)
def test_a_machine_that_azure_would_refuse_is_refused(azure: Azure, change: dict[str, Any], words: str):
    image, interface = azure.image, azure.make_interface(azure.make_network())
    body = render_machine(image, interface, properties=change)
    assert words in azure.refuse("PUT", azure.place(MACHINES, "one"), body).message


def test_an_interface_is_of_one_machine(azure: Azure):
    azure.make_machine()
    image = azure.image
    body = render_machine(image, azure.place(INTERFACES, "one"))
    assert azure.refuse("PUT", azure.place(MACHINES, "two"), body).code == "NicInUse"


def test_the_newest_version_of_an_image_is_booted(azure: Azure):
    image = azure.make_image(version="1.9.0")
    azure.make_version(image, "1.10.0")
    azure.make_version(image, "2.0.0", excludeFromLatest=True)
    interface = azure.make_interface(azure.make_network())
    made = azure.change("PUT", azure.place(MACHINES, "one"), render_machine(image, interface))
    assert made["properties"]["storageProfile"]["imageReference"] == {"id": image, "exactVersion": "1.10.0"}
    assert [each["name"] for each in azure.list(f"{image}/versions")] == ["1.10.0", "1.9.0", "2.0.0"]
    assert azure.refuse("DELETE", image).code == "CannotDeleteResource"


def test_an_image_is_booted_where_it_is(azure: Azure):
    image = azure.make_image()
    azure.change("DELETE", f"{image}/versions/1.0.0")
    interface = azure.make_interface(azure.make_network())
    refusal = azure.refuse("PUT", azure.place(MACHINES, "one"), render_machine(image, interface))
    assert (refusal.status, refusal.code) == (404, "GalleryImageNotFound")
    assert LOCATION in refusal.message


def test_what_a_machine_boots_with_never_changes_and_its_tags_do(azure: Azure):
    azure.make_machine()
    path = azure.place(MACHINES, "one")
    image = azure.image
    other = base64.b64encode(b"other").decode()
    body = render_machine(image, azure.place(INTERFACES, "one"))
    body["properties"]["osProfile"] = render_system(computerName="one", customData=other)
    assert azure.refuse("PUT", path, body).code == "PropertyChangeNotAllowed"
    assert azure.change("PATCH", path, {"tags": {"a": "b"}})["tags"] == {"a": "b"}
    assert list_told(azure)[0]["customData"] == DATA


def test_a_machine_stops_starts_and_is_deallocated(azure: Azure):
    path = azure.make_machine()["id"]
    azure.control("power", machine="one", state="off")
    assert read_codes(azure, path)[1] == "PowerState/stopped"
    azure.change("POST", f"{path}/start")
    assert read_codes(azure, path)[1] == "PowerState/running"
    azure.change("POST", f"{path}/restart")
    azure.change("POST", f"{path}/deallocate")
    assert read_codes(azure, path)[1] == "PowerState/deallocated"
    assert azure.refuse("POST", f"{path}/restart").code == "OperationNotAllowed"


def test_a_machine_that_is_being_deleted_is_gone_when_it_is_off(azure: Azure):
    path = azure.make_machine()["id"]
    azure.control("pace", seconds={f"DELETE {MACHINES}": 30})
    reply = azure.ask("DELETE", f"{path}?api-version=2024-11-01")
    operation = reply.headers["azure-asyncoperation"].removeprefix(azure.url)
    assert azure.get(path)["properties"]["provisioningState"] == "Deleting"
    azure.control("power", machine="one", state="off")
    assert azure.find(path) is None
    assert azure.ask("GET", operation).json["status"] == "Succeeded"


def test_the_console_of_a_machine_is_shown(azure: Azure):
    path = azure.make_machine()["id"]
    azure.control("console", machine="one", text="one login: ")
    told = azure.call("POST", f"{path}/retrieveBootDiagnosticsData")
    address = told["serialConsoleLogBlobUri"].removeprefix(azure.url)
    assert azure.ask("GET", address).body == b"one login: "


def test_a_spot_machine_is_evicted(azure: Azure):
    path = azure.make_machine(properties=SPOT)["id"]
    azure.control("evict", machine=path, seconds=0.1)
    assert list_told(azure)[0]["evicted"]
    azure.await_true(lambda: azure.find(path) is None, "it is gone")
    assert list(azure.list(f"{GROUP}/providers/{DISKS}")) == []


def test_a_machine_that_is_no_spot_machine_is_not_evicted(azure: Azure):
    path = azure.make_machine()["id"]
    assert azure.refuse("POST", f"{path}/simulateEviction").code == "OperationNotAllowed"


def test_what_is_not_to_be_had_fails_and_says_so(azure: Azure):
    azure.control("market", no_spot=["Standard_D2s_v5"])
    image, interface = azure.image, azure.make_interface(azure.make_network())
    path = azure.place(MACHINES, "one")
    body = render_machine(image, interface, properties=SPOT)
    assert azure.refuse("PUT", path, body).code == "AllocationFailed"
    assert read_codes(azure, path) == ["ProvisioningState/failed/AllocationFailed"]
    azure.change("DELETE", path)
    azure.control("market", restricted=["Standard_D2s_v5"])
    body = render_machine(image, azure.make_interface(azure.get_subnet(), "two"))
    assert azure.refuse("PUT", azure.place(MACHINES, "two"), body).code == "SkuNotAvailable"


def test_sizes_are_told_with_what_they_have_and_who_may_not_have_them(azure: Azure):
    azure.control("market", restricted=["Standard_D2s_v5"])
    sizes = {each["name"]: each for each in azure.list(f"{COMPUTE}/skus", **{"$filter": f"location eq '{LOCATION}'"})}
    capabilities = {each["name"]: each["value"] for each in sizes["Standard_NC64as_T4_v3"]["capabilities"]}
    assert (capabilities["vCPUs"], capabilities["GPUs"], capabilities["MemoryGB"]) == ("64", "4", "448")
    assert sizes["Standard_D2ps_v5"]["locationInfo"][0]["zones"] == ["1", "2", "3"]
    assert sizes["Standard_D2s_v5"]["restrictions"][0]["reasonCode"] == "NotAvailableForSubscription"
    assert sizes["Standard_D4s_v5"]["restrictions"] == []


def test_quotas_are_told_and_kept_to(azure: Azure):
    azure.make_machine()
    usages = {each["name"]["value"]: each for each in azure.list(f"{COMPUTE}/locations/{LOCATION}/usages")}
    assert usages["standardDSv5Family"]["currentValue"] == usages["cores"]["currentValue"] == 2
    azure.control("quota", cores=3)
    image = azure.image
    body = render_machine(image, azure.make_interface(azure.get_subnet(), "two"))
    refusal = azure.refuse("PUT", azure.place(MACHINES, "two"), body)
    assert (refusal.status, refusal.code) == (409, "OperationNotAllowed")
    assert "Total Regional Cores quota" in refusal.message
    assert "Current Limit: 3, Current Usage: 2, Additional Required: 2" in refusal.message
