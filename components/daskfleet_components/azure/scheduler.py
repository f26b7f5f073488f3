"""The scheduler of a fleet: one machine with an address that stays."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.access import SCHEDULER_PORT, SSH_USER
from daskfleet_components.azure.documents import describe_node
from daskfleet_components.azure.machines import LEAST_VOLUME_GIB, build_diagnostics, build_linux, encode_user_data
from daskfleet_components.azure.network import make_address
from daskfleet_components.azure.sizes import choose_disk_type
from daskfleet_components.documents import render_scheduler
from daskfleet_components.naming import build_tags

SECRET = "scheduler"  # noqa: S105 - its name


class SchedulerArgs(TypedDict):
    """What the scheduler's machine is."""

    fleet: str
    """Name of the fleet."""
    resource_group: pulumi.Input[str]
    """Resource group that it is made in."""
    location: str
    """Region that it is made in."""
    instance_type: str
    """Its VM size."""
    subnet: pulumi.Input[str]
    """Subnet that it is in, by its identifier."""
    security_group: pulumi.Input[str]
    """Network security group of its interface."""
    application_security_group: pulumi.Input[str]
    """Application security group that it is of."""
    identity: pulumi.Input[str]
    """Its user-assigned identity."""
    client: pulumi.Input[str]
    """Client id of that identity."""
    image: pulumi.Input[str]
    """The image definition that it boots."""
    vault: pulumi.Input[str]
    """The vault with its TLS material, `https://NAME.vault.azure.net`."""
    log: pulumi.Input[str]
    """The container that it writes its log to, `https://ACCOUNT.blob.core.windows.net/CONTAINER`."""
    ssh_key: pulumi.Input[str]
    """Public key of those who may log in."""
    private_address: NotRequired[str | None]
    """Its address in the network; Azure chooses one that is free, and keeps it, if not given."""
    versions: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """What the image must hold, by `python`, `dask`, `distributed` and `cloudpickle`: with anything else a machine does
    not join the fleet."""
    public: NotRequired[bool]
    """Whether it has a public address. What may reach it there, the firewall says."""
    zone: NotRequired[str | None]
    """Availability zone that it is in; Azure chooses if not given."""
    volume_gib: NotRequired[int]
    """Size of its disk in GiB, 30 at least; 30 if not given."""
    tags: NotRequired[dict[str, str]]
    """Tags besides the fleet's own."""


class AzureScheduler(pulumi.ComponentResource):
    """A machine that runs the scheduler. Its address is its network interface's, which outlives the machine."""

    instance: pulumi.Output[str]
    """The machine, by its identifier."""
    private_ip: pulumi.Output[str]
    """Its address in the network."""
    public_ip: pulumi.Output[str]
    """Its public address; empty where it has none."""
    address: pulumi.Output[str]
    """Address for workers: `tls://host:8786`."""

    def __init__(self, name: str, args: SchedulerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("daskfleet:index:AzureScheduler", name, {}, opts)
        self._name = name
        self._args = args
        self._tags = build_tags(args["fleet"], "scheduler", extra=args.get("tags"))
        self.public_ip = pulumi.Output.from_input("")
        interface = self._make_interface()
        self.private_ip = interface.ip_configurations.apply(find_private_address)
        self.address = pulumi.Output.concat("tls://", self.private_ip, f":{SCHEDULER_PORT}")
        self.instance = self._make_machine(interface).id
        self.register_outputs(
            {
                "instance": self.instance,
                "privateIp": self.private_ip,
                "publicIp": self.public_ip,
                "address": self.address,
            }
        )

    def _make_interface(self) -> azure.network.NetworkInterface:
        args = self._args
        child = pulumi.ResourceOptions(parent=self)
        public = None
        if args.get("public"):
            public = make_address(f"{self._name}-public", args["resource_group"], args["location"], self._tags, child)
            self.public_ip = public.ip_address.apply(lambda known: known or "")
        address = args.get("private_address")
        return azure.network.NetworkInterface(
            self._name,
            resource_group_name=args["resource_group"],
            location=args["location"],
            network_security_group=azure.network.NetworkSecurityGroupArgs(id=args["security_group"]),
            ip_configurations=[
                azure.network.NetworkInterfaceIPConfigurationArgs(
                    name="internal",
                    primary=True,
                    subnet=azure.network.SubnetArgs(id=args["subnet"]),
                    private_ip_allocation_method="Static" if address else "Dynamic",
                    private_ip_address=address,
                    public_ip_address=azure.network.PublicIPAddressArgs(id=public.id) if public else None,
                    application_security_groups=[
                        azure.network.ApplicationSecurityGroupArgs(id=args["application_security_group"])
                    ],
                )
            ],
            tags=self._tags,
            opts=child,
        )

    def _make_machine(self, interface: azure.network.NetworkInterface) -> azure.compute.VirtualMachine:
        args = self._args
        zone = args.get("zone")
        return azure.compute.VirtualMachine(
            self._name,
            resource_group_name=args["resource_group"],
            location=args["location"],
            zones=[zone] if zone else None,
            hardware_profile=azure.compute.HardwareProfileArgs(vm_size=args["instance_type"]),
            identity=azure.compute.VirtualMachineIdentityArgs(
                type=azure.compute.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[args["identity"]]
            ),
            network_profile=azure.compute.NetworkProfileArgs(
                network_interfaces=[
                    azure.compute.NetworkInterfaceReferenceArgs(id=interface.id, primary=True, delete_option="Detach")
                ]
            ),
            os_profile=azure.compute.OSProfileArgs(
                computer_name=name_computer(args["fleet"]),
                admin_username=SSH_USER,
                custom_data=self._render_user_data(),
                linux_configuration=build_linux(args["ssh_key"]),
            ),
            storage_profile=azure.compute.StorageProfileArgs(
                image_reference=azure.compute.ImageReferenceArgs(id=args["image"]),
                os_disk=azure.compute.OSDiskArgs(
                    create_option="FromImage",
                    delete_option="Delete",
                    disk_size_gb=args.get("volume_gib", LEAST_VOLUME_GIB),
                    managed_disk=azure.compute.ManagedDiskParametersArgs(
                        storage_account_type=choose_disk_type([args["instance_type"]])
                    ),
                ),
            ),
            diagnostics_profile=build_diagnostics(),
            tags=self._tags,
            # The address is free for the next machine only when this one is gone. Another document is another machine.
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                replace_on_changes=["osProfile.customData", "hardwareProfile.vmSize", "storageProfile.imageReference"],
            ),
        )

    def _render_user_data(self) -> pulumi.Output[str]:
        args = self._args
        parts: list[pulumi.Input[Any]] = [
            self.address,
            args["vault"],
            args["log"],
            args["client"],
            args.get("versions"),
        ]
        return pulumi.Output.all(*parts).apply(
            lambda known: encode_user_data(
                render_scheduler(
                    describe_node(
                        fleet=args["fleet"],
                        address=known[0],
                        vault=known[1],
                        secret=SECRET,
                        log=known[2],
                        client=known[3],
                        versions=known[4],
                    )
                )
            )
        )


def name_computer(fleet: str) -> str:
    """The host name of the scheduler's machine, by which its log is found. Pure."""
    return f"{fleet}-scheduler"


def find_private_address(configurations: Sequence[Any] | None) -> str:
    """The private address of an interface. Pure."""
    return next((str(each.private_ip_address) for each in configurations or () if each.private_ip_address), "")
