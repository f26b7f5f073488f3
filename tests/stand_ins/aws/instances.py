"""EC2's instances."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from stand_ins.aws import tags
from stand_ins.aws.call import Call, error_code, refuse
from stand_ins.aws.ec2 import filters, find_instance, is_attached
from stand_ins.aws.launching import check_addresses, check_groups, check_launch
from stand_ins.core.errors import Refused
from stand_ins.core.resource import Properties, Resource, is_known
from stand_ins.core.schema import Problem
from stand_ins.core.shapes import fields, from_api, many, one, to_api, words


def encode_once(text: str) -> str:
    """Base 64 of `text`, unless it is that already."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return base64.b64encode(text.encode()).decode()
    return text


METADATA = fields("httpEndpoint httpProtocolIpv6 httpPutResponseHopLimit httpTokens instanceMetadataTags")


VOLUME = fields("deleteOnTermination encrypted iops kmsKeyId throughput volumeSize volumeType")


CAPACITY = fields(
    "capacityReservationPreference",
    capacityReservationTarget=one(fields("capacityReservationId capacityReservationResourceGroupArn")),
)


SPOT = fields("instanceInterruptionBehavior maxPrice spotInstanceType validUntil")


NAMES = fields(
    "enableResourceNameDnsAaaaRecord=EnableResourceNameDnsAAAARecord enableResourceNameDnsARecord hostnameType"
)


RUNNING_ATTRIBUTES = {
    "disableApiStop": "DisableApiStop",
    "disableApiTermination": "DisableApiTermination",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior",
    "sourceDestCheck": "SourceDestCheck",
}


class Instance(Resource[Call]):
    token = "aws:ec2/instance:Instance"
    label = "EC2 Instance"
    inputs = fields(
        "ami instanceType availabilityZone subnetId privateIp secondaryPrivateIps associatePublicIpAddress "
        "vpcSecurityGroupIds securityGroups sourceDestCheck keyName iamInstanceProfile userData userDataBase64 "
        "userDataReplaceOnChange monitoring ebsOptimized disableApiStop disableApiTermination forceDestroy "
        "instanceInitiatedShutdownBehavior getPasswordData hibernation placementGroup tenancy volumeTags tags region",
        metadataOptions=one(METADATA),
        creditSpecification=one(fields("cpuCredits")),
        cpuOptions=one(fields("amdSevSnp coreCount threadsPerCore")),
        capacityReservationSpecification=one(CAPACITY),
        maintenanceOptions=one(fields("autoRecovery")),
        privateDnsNameOptions=one(NAMES),
        enclaveOptions=one(fields("enabled")),
        instanceMarketOptions=one(fields("marketType", spotOptions=one(SPOT))),
        launchTemplate=one(fields("id name version")),
        networkInterfaces=many(fields("deviceIndex networkInterfaceId deleteOnTermination networkCardIndex")),
        primaryNetworkInterface=one(fields("networkInterfaceId")),
        rootBlockDevice=one({**VOLUME, **fields("tags")}),
        ebsBlockDevices=many({**VOLUME, **fields("deviceName snapshotId tags")}),
    )
    replaces = words(
        "ami associatePublicIpAddress availabilityZone ebsBlockDevices ebsOptimized enclaveOptions hibernation "
        "instanceMarketOptions keyName launchTemplate networkInterfaces placementGroup primaryNetworkInterface "
        "privateIp "
        "region securityGroups subnetId tenancy cpuOptions"
    )
    defaults = {
        "forceDestroy": False,
        "getPasswordData": False,
        "sourceDestCheck": True,
        "userDataReplaceOnChange": False,
    }
    sets = ("vpcSecurityGroupIds", "securityGroups", "networkInterfaces", "ebsBlockDevices", "secondaryPrivateIps")
    kept = ("forceDestroy", "getPasswordData", "userDataReplaceOnChange", "volumeTags", "hibernation", "launchTemplate")
    lenient = words(
        "amdSevSnp autoRecovery capacityReservationPreference coreCount cpuCredits creditSpecification "
        "deleteOnTermination "
        "deviceName enableResourceNameDnsAaaaRecord enableResourceNameDnsARecord encrypted hibernation hostnameType "
        "httpEndpoint httpProtocolIpv6 httpPutResponseHopLimit httpTokens instanceMetadataTags iops kmsKeyId "
        "networkCardIndex snapshotId sourceDestCheck spotOptions tagsAll threadsPerCore throughput userData "
        "userDataBase64 version volumeId volumeSize volumeTags volumeType"
    )
    at_most_one = (
        ("userData", "userDataBase64"),
        ("networkInterfaces", "subnetId"),
        ("networkInterfaces", "primaryNetworkInterface"),
        ("networkInterfaces", "privateIp"),
        ("networkInterfaces", "vpcSecurityGroupIds"),
        ("networkInterfaces", "securityGroups"),
        ("networkInterfaces", "associatePublicIpAddress"),
        ("primaryNetworkInterface", "subnetId"),
        ("primaryNetworkInterface", "privateIp"),
        ("primaryNetworkInterface", "vpcSecurityGroupIds"),
        ("primaryNetworkInterface", "associatePublicIpAddress"),
    )
    at_least_one = (("ami", "launchTemplate"), ("instanceType", "launchTemplate"))
    minutes = {"create": 10, "update": 10, "delete": 20}

    def check(self, given: Properties) -> Iterator[Problem]:
        yield from super().check(given)
        if given.get("getPasswordData"):
            yield Problem("getPasswordData", "the stand-in does not know how to get the password of a Windows instance")
        text = given.get("userData")
        if is_known(text) and len(base64.b64decode(encode_once(text))) > 16384:
            yield Problem("userData", "expected length of user_data to be at most 16384 bytes")

    def must_replace(self, name: str, old: Properties, new: Properties) -> bool:
        if name in ("userData", "userDataBase64"):
            return bool(new.get("userDataReplaceOnChange"))
        if name == "rootBlockDevice":
            return any(self._differs(name, key, old, new) for key in ("encrypted", "kmsKeyId"))
        if name == "privateDnsNameOptions":
            return self._differs(name, "hostnameType", old, new)
        return super().must_replace(name, old, new)

    def _differs(self, name: str, key: str, old: Properties, new: Properties) -> bool:
        before, after = old.get(name) or {}, new.get(name)
        return isinstance(after, dict) and after.get(key) is not None and after[key] != before.get(key)

    def create(self, call: Call, given: Properties) -> str:
        for interface in (given.get("primaryNetworkInterface"), *(given.get("networkInterfaces") or ())):
            self._refuse_interface_in_use(call, (interface or {}).get("networkInterfaceId"))
        shape = fields(
            "ami=ImageId instanceType keyName ebsOptimized disableApiStop disableApiTermination "
            "instanceInitiatedShutdownBehavior"
        )
        objects = (
            "metadataOptions creditSpecification cpuOptions capacityReservationSpecification maintenanceOptions "
            "privateDnsNameOptions enclaveOptions instanceMarketOptions"
        )
        shape |= {name: self.inputs[name] for name in objects.split()}
        asked = to_api(shape, given)
        asked["MinCount"] = asked["MaxCount"] = 1
        if given.get("monitoring") is not None:
            asked["Monitoring"] = {"Enabled": given["monitoring"]}
        if given.get("hibernation"):
            asked["HibernationOptions"] = {"Configured": True}
        if profile := given.get("iamInstanceProfile"):
            asked["IamInstanceProfile"] = {"Arn" if profile.startswith("arn:") else "Name": profile}
        if placement := to_api(fields("availabilityZone placementGroup=GroupName tenancy"), given):
            asked["Placement"] = placement
        if (text := given.get("userData")) is not None:
            asked["UserData"] = base64.b64decode(encode_once(text))  # botocore encodes it
        if (text := given.get("userDataBase64")) is not None:
            asked["UserData"] = base64.b64decode(text)
        if template := given.get("launchTemplate"):
            names = fields("id=LaunchTemplateId name=LaunchTemplateName version")
            asked["LaunchTemplate"] = {"Version": "$Default", **to_api(names, template)}
        asked |= self._network(given)
        subnets = [given["subnetId"]] if given.get("subnetId") else []
        check_launch(call, "RunInstances", asked, subnets)
        if subnets and given.get("privateIp"):
            check_addresses(call, "RunInstances", given["subnetId"], [given["privateIp"]])
        if devices := self._devices(call, given):
            asked["BlockDeviceMappings"] = devices
        specs = tags.spec("instance", given)
        if given.get("volumeTags"):
            volume = {"ResourceType": "volume", "Tags": tags.to_list(given["volumeTags"])}
            specs.setdefault("TagSpecifications", []).append(volume)
        return str(call.ec2.run_instances(**asked, **specs)["Instances"][0]["InstanceId"])

    def _refuse_interface_in_use(self, call: Call, id_: str | None) -> None:
        """As AWS does; moto takes it from the instance that has it."""
        if id_ is None:
            return
        interfaces = call.ec2.describe_network_interfaces(NetworkInterfaceIds=[id_])["NetworkInterfaces"]
        if interfaces and is_attached(call, interfaces[0]):
            message = f"Interface: [{id_}] in use."
            raise refuse("InvalidNetworkInterface.InUse", "RunInstances", message)

    def _network(self, given: Properties) -> dict[str, Any]:
        if primary := given.get("primaryNetworkInterface"):
            return {"NetworkInterfaces": [{"DeviceIndex": 0, **to_api(fields("networkInterfaceId"), primary)}]}
        if interfaces := given.get("networkInterfaces"):
            shape = self.inputs["networkInterfaces"].fields
            return {"NetworkInterfaces": [{"DeleteOnTermination": False, **to_api(shape, one_)} for one_ in interfaces]}
        if given.get("associatePublicIpAddress") is not None:
            shape = fields("subnetId privateIp=PrivateIpAddress associatePublicIpAddress vpcSecurityGroupIds=Groups")
            return {"NetworkInterfaces": [{"DeviceIndex": 0, "DeleteOnTermination": True, **to_api(shape, given)}]}
        return to_api(
            fields("subnetId privateIp=PrivateIpAddress vpcSecurityGroupIds=SecurityGroupIds securityGroups"), given
        )

    def _devices(self, call: Call, given: Properties) -> list[dict[str, Any]]:
        devices = []
        if root := given.get("rootBlockDevice"):
            image = call.find_one(call.ec2.describe_images, "Images", ImageIds=[given["ami"]]) or {}
            name = image.get("RootDeviceName")
            if name is None:
                raise Refused(f"creating EC2 Instance: collecting root block device: couldn't find AMI {given['ami']}")
            devices.append({"DeviceName": name, "Ebs": {"DeleteOnTermination": True, **to_api(VOLUME, root)}})
        for device in given.get("ebsBlockDevices") or ():
            ebs = {"DeleteOnTermination": True, **to_api({**VOLUME, **fields("snapshotId")}, device)}
            devices.append({"DeviceName": device["deviceName"], "Ebs": ebs})
        return devices

    def settle(self, call: Call, id_: str, given: Properties) -> None:
        instance = self._wait(call, id_, "running", fatal=("shutting-down", "terminated", "stopping", "stopped"))
        if given.get("disableApiTermination"):  # which moto does not hear in the launch
            call.ec2.modify_instance_attribute(InstanceId=id_, DisableApiTermination={"Value": True})
        if given.get("sourceDestCheck") is False and not self._has_own_interfaces(given):
            call.ec2.modify_instance_attribute(InstanceId=id_, SourceDestCheck={"Value": False})
        if not given.get("volumeTags"):
            for volume, wanted in self._volume_tags(call, instance, given):
                call.ec2.create_tags(Resources=[volume], Tags=tags.to_list(wanted))
        if extra := given.get("secondaryPrivateIps"):
            interface = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
            call.ec2.assign_private_ip_addresses(NetworkInterfaceId=interface, PrivateIpAddresses=extra)

    def _volume_tags(self, call: Call, instance: Properties, given: Properties) -> Iterator[tuple[str, dict[str, str]]]:
        for device in instance.get("BlockDeviceMappings", ()):
            is_root = device["DeviceName"] == instance.get("RootDeviceName")
            others = {item["deviceName"]: item for item in given.get("ebsBlockDevices") or ()}
            block = given.get("rootBlockDevice") if is_root else others.get(device["DeviceName"])
            if block is not None and (wanted := {**call.account.default_tags, **(block.get("tags") or {})}):
                yield device["Ebs"]["VolumeId"], wanted

    def _has_own_interfaces(self, given: Properties) -> bool:
        return bool(given.get("networkInterfaces") or given.get("primaryNetworkInterface"))

    def _wait(self, call: Call, id_: str, state: str, fatal: Collection[str] = ()) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            instance = find_instance(call, id_)
            now = instance["State"]["Name"] if instance else "terminated"
            if now in fatal and now != state:
                reason = (instance or {}).get("StateReason", {}).get("Message", "")
                raise Refused(
                    f"waiting for EC2 Instance ({id_}) create: unexpected state '{now}', wanted target '{state}'. "
                    f"last error: {reason}"
                )
            return (instance or {}) if now == state else None

        return call.wait_for(f"EC2 Instance ({id_}) to become {state}", reached)

    def read(self, call: Call, id_: str, known: Properties) -> dict[str, Any] | None:
        instance = find_instance(call, id_)
        if instance is None:
            return None
        shape = fields(
            "ami=ImageId instanceType keyName ebsOptimized subnetId privateIp=PrivateIpAddress "
            "publicIp=PublicIpAddress publicDns=PublicDnsName privateDns=PrivateDnsName sourceDestCheck "
            "instanceLifecycle "
            "spotInstanceRequestId",
            metadataOptions=one(METADATA),
            cpuOptions=one(fields("coreCount threadsPerCore amdSevSnp")),
            enclaveOptions=one(fields("enabled")),
            maintenanceOptions=one(fields("autoRecovery")),
            capacityReservationSpecification=one(CAPACITY),
            privateDnsNameOptions=one(NAMES),
        )
        found: dict[str, Any] = {"publicIp": "", "publicDns": "", "ebsOptimized": False, "keyName": ""}
        found |= from_api(shape, instance)
        found |= from_api(fields("availabilityZone tenancy placementGroup=GroupName"), instance.get("Placement", {}))
        found["instanceState"] = instance["State"]["Name"]
        found["monitoring"] = instance.get("Monitoring", {}).get("State") in ("enabled", "pending")
        # moto's description of an instance keeps the profile that it was launched with
        profile = next(iter(self._find_profiles(call, id_)), instance).get("IamInstanceProfile", {}).get("Arn", "")
        found["iamInstanceProfile"] = profile.rpartition("/")[2]
        if known.get("iamInstanceProfile") == profile:
            found["iamInstanceProfile"] = profile
        found |= self._read_network(instance, known)
        found |= self._read_attributes(call, id_, known)
        found |= self._read_volumes(call, instance, known)
        # What moto does not tell back is taken to be as it was asked for.
        for name in words(
            "metadataOptions cpuOptions enclaveOptions maintenanceOptions capacityReservationSpecification "
            "privateDnsNameOptions creditSpecification instanceMarketOptions"
        ):
            if name not in found and known.get(name) is not None:
                found[name] = known[name]
        return {**found, "arn": call.arn("ec2", f"instance/{id_}"), "tagsAll": tags.of(instance)}

    def _read_network(self, instance: Properties, known: Properties) -> dict[str, Any]:
        interfaces = instance.get("NetworkInterfaces", ())
        found: dict[str, Any] = {"networkInterfaces": [], "secondaryPrivateIps": []}
        groups = instance.get("SecurityGroups", ())
        if known.get("networkInterfaces"):
            found["networkInterfaces"] = [
                {
                    "networkInterfaceId": item["NetworkInterfaceId"],
                    **from_api(fields("deviceIndex deleteOnTermination networkCardIndex"), item.get("Attachment", {})),
                }
                for item in interfaces
            ]
        for item in interfaces:
            attachment = item.get("Attachment", {})
            if attachment.get("DeviceIndex", 0) == 0:
                groups = item.get("Groups") or groups
                found["primaryNetworkInterfaceId"] = item["NetworkInterfaceId"]
                found["primaryNetworkInterface"] = {
                    "networkInterfaceId": item["NetworkInterfaceId"],
                    "deleteOnTermination": bool(attachment.get("DeleteOnTermination")),
                }
                found["associatePublicIpAddress"] = bool(item.get("Association", {}).get("PublicIp"))
                found["secondaryPrivateIps"] = [
                    address["PrivateIpAddress"]
                    for address in item.get("PrivateIpAddresses", ())
                    if not address.get("Primary")
                ]
                found |= from_api(fields("sourceDestCheck subnetId"), item)
        found["vpcSecurityGroupIds"] = [group["GroupId"] for group in groups]
        found["securityGroups"] = [group["GroupName"] for group in groups]
        if known.get("associatePublicIpAddress") is not None:
            # An address that was associated later is not what the launch asked for.
            found["associatePublicIpAddress"] = known["associatePublicIpAddress"]
        return found

    def _read_attributes(self, call: Call, id_: str, known: Properties) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ("disableApiStop", "disableApiTermination", "instanceInitiatedShutdownBehavior"):
            try:
                answer = call.ec2.describe_instance_attribute(InstanceId=id_, Attribute=name)
                found[name] = answer[RUNNING_ATTRIBUTES[name]]["Value"]
            except Exception as error:
                if not error_code(error) and not isinstance(error, KeyError):
                    raise
                found[name] = known.get(name, "stop" if name == "instanceInitiatedShutdownBehavior" else False)
        data = (
            call.ec2.describe_instance_attribute(InstanceId=id_, Attribute="userData").get("UserData", {}).get("Value")
        )
        if not data:
            return found
        if known.get("userDataBase64") is not None:
            return {**found, "userDataBase64": data}
        if known.get("userData") is not None and encode_once(known["userData"]) == data:
            return {**found, "userData": known["userData"]}
        return {**found, "userData": base64.b64decode(data).decode(errors="replace")}

    def _read_volumes(self, call: Call, instance: Properties, known: Properties) -> dict[str, Any]:
        devices = {item["Ebs"]["VolumeId"]: item for item in instance.get("BlockDeviceMappings", ()) if "Ebs" in item}
        found: dict[str, Any] = {"ebsBlockDevices": []}
        if not devices:
            return found
        for volume in call.ec2.describe_volumes(VolumeIds=list(devices))["Volumes"]:
            device = devices[volume["VolumeId"]]
            shape = fields("encrypted iops kmsKeyId throughput volumeSize=Size volumeType volumeId snapshotId")
            described = {"encrypted": False, **from_api(shape, volume), "deviceName": device["DeviceName"]}
            described["deleteOnTermination"] = bool(device["Ebs"].get("DeleteOnTermination", True))
            everything = {k: v for k, v in tags.of(volume).items() if not call.account.ignored_tags.covers(k)}
            described["tagsAll"] = everything
            if device["DeviceName"] == instance.get("RootDeviceName"):
                own = (known.get("rootBlockDevice") or {}).get("tags") or {}
                described["tags"] = {} if known.get("volumeTags") else strip_defaults(call, everything, own)
                described.pop("snapshotId", None)
                found["rootBlockDevice"] = described
            else:
                described["tags"] = {} if known.get("volumeTags") else strip_defaults(call, everything, {})
                found["ebsBlockDevices"].append(described)
        return found

    def update(self, call: Call, id_: str, old: Properties, new: Properties, changed: Collection[str]) -> None:
        known = {
            *RUNNING_ATTRIBUTES,
            *self.kept,
            *words(
                "tags tagsAll userData userDataBase64 instanceType vpcSecurityGroupIds iamInstanceProfile monitoring "
                "metadataOptions rootBlockDevice creditSpecification maintenanceOptions secondaryPrivateIps "
                "capacityReservationSpecification privateDnsNameOptions"
            ),
        }
        if unknown := sorted(set(changed) - known):
            raise Refused(f"the stand-in does not know how to change {', '.join(unknown)} of an instance in place")
        tags.update_ec2(call, id_, old, new)
        if (behavior := "instanceInitiatedShutdownBehavior") in changed:
            # The other way of saying this would make moto take the security groups away.
            call.ec2.modify_instance_attribute(InstanceId=id_, Attribute=behavior, Value=new.get(behavior) or "stop")
        for name in sorted({*RUNNING_ATTRIBUTES} & {*changed} - {behavior}):
            call.ec2.modify_instance_attribute(InstanceId=id_, **{RUNNING_ATTRIBUTES[name]: {"Value": new.get(name)}})
        if "vpcSecurityGroupIds" in changed:
            groups = new.get("vpcSecurityGroupIds") or ()
            check_groups(call, "ModifyInstanceAttribute", groups, [old["subnetId"]])
            call.ec2.modify_instance_attribute(InstanceId=id_, Groups=new["vpcSecurityGroupIds"])
        if "monitoring" in changed:
            (call.ec2.monitor_instances if new.get("monitoring") else call.ec2.unmonitor_instances)(InstanceIds=[id_])
        if "metadataOptions" in changed:
            call.ec2.modify_instance_metadata_options(InstanceId=id_, **to_api(METADATA, new["metadataOptions"]))
        if "creditSpecification" in changed:
            asked = {"InstanceId": id_, **to_api(fields("cpuCredits"), new["creditSpecification"])}
            call.ec2.modify_instance_credit_specification(InstanceCreditSpecifications=[asked])
        if "maintenanceOptions" in changed:
            options = to_api(fields("autoRecovery"), new["maintenanceOptions"])
            call.ec2.modify_instance_maintenance_options(InstanceId=id_, **options)
        if "capacityReservationSpecification" in changed:
            wanted = to_api(self.inputs, {"capacityReservationSpecification": new["capacityReservationSpecification"]})
            call.ec2.modify_instance_capacity_reservation_attributes(InstanceId=id_, **wanted)
        if "privateDnsNameOptions" in changed:
            options = to_api(NAMES, new["privateDnsNameOptions"])
            options["PrivateDnsHostnameType"] = options.pop("HostnameType", None)
            options = {key: value for key, value in options.items() if value is not None}
            call.ec2.modify_private_dns_name_options(InstanceId=id_, **options)
        if "secondaryPrivateIps" in changed:
            self._change_addresses(call, old, new)
        if "iamInstanceProfile" in changed:
            self._change_profile(call, id_, new.get("iamInstanceProfile"))
        if "rootBlockDevice" in changed:
            self._change_root(call, id_, old, new)
        if not new.get("volumeTags") and {"rootBlockDevice", "ebsBlockDevices", "tagsAll"} & set(changed):
            self._change_volume_tags(call, id_, old, new)
        if {"instanceType", "userData", "userDataBase64"} & set(changed):
            self._change_while_stopped(call, id_, new, changed)

    def _change_addresses(self, call: Call, old: Properties, new: Properties) -> None:
        interface = old["primaryNetworkInterfaceId"]
        before, after = old.get("secondaryPrivateIps") or [], new.get("secondaryPrivateIps") or []
        if surplus := [item for item in before if item not in after]:
            call.ec2.unassign_private_ip_addresses(NetworkInterfaceId=interface, PrivateIpAddresses=surplus)
        if more := [item for item in after if item not in before]:
            check_addresses(call, "AssignPrivateIpAddresses", old["subnetId"], more)
            call.ec2.assign_private_ip_addresses(NetworkInterfaceId=interface, PrivateIpAddresses=more)

    def _find_profiles(self, call: Call, id_: str) -> list[dict[str, Any]]:
        narrow = filters(instance_id=id_)
        found = call.ec2.describe_iam_instance_profile_associations(Filters=narrow)["IamInstanceProfileAssociations"]
        return [item for item in found if item["State"] in ("associating", "associated")]

    def _change_profile(self, call: Call, id_: str, profile: str | None) -> None:
        found = self._find_profiles(call, id_)
        wanted = {"Arn" if profile and profile.startswith("arn:") else "Name": profile}
        if found and not profile:
            call.ec2.disassociate_iam_instance_profile(AssociationId=found[0]["AssociationId"])
        elif found:
            call.ec2.replace_iam_instance_profile_association(
                AssociationId=found[0]["AssociationId"], IamInstanceProfile=wanted
            )
        elif profile:
            call.ec2.associate_iam_instance_profile(InstanceId=id_, IamInstanceProfile=wanted)

    def _change_root(self, call: Call, id_: str, old: Properties, new: Properties) -> None:
        before, after = old["rootBlockDevice"], new.get("rootBlockDevice") or {}
        volume = before["volumeId"]
        differs = {key for key in after if after[key] is not None and after[key] != before.get(key)}
        if "deleteOnTermination" in differs:
            ebs = {"DeleteOnTermination": after["deleteOnTermination"]}
            mapping = {"DeviceName": before["deviceName"], "Ebs": ebs}
            call.ec2.modify_instance_attribute(InstanceId=id_, BlockDeviceMappings=[mapping])
        sizes = fields("iops throughput volumeSize=Size volumeType")
        if asked := to_api(sizes, {key: after[key] for key in differs}):
            call.ec2.modify_volume(VolumeId=volume, **asked)

    def _change_volume_tags(self, call: Call, id_: str, old: Properties, new: Properties) -> None:
        blocks = [old.get("rootBlockDevice") or {}, *(old.get("ebsBlockDevices") or ())]
        before = {block.get("volumeId"): block.get("tagsAll") for block in blocks}
        for volume, wanted in self._volume_tags(call, find_instance(call, id_) or {}, new):
            tags.update_ec2(call, volume, {"tagsAll": before.get(volume)}, {"tagsAll": wanted})

    def _change_while_stopped(self, call: Call, id_: str, new: Properties, changed: Collection[str]) -> None:
        call.ec2.stop_instances(InstanceIds=[id_])
        self._wait(call, id_, "stopped")
        if "instanceType" in changed:
            call.ec2.modify_instance_attribute(InstanceId=id_, InstanceType={"Value": new["instanceType"]})
        if {"userData", "userDataBase64"} & set(changed):
            text = new.get("userDataBase64") or encode_once(new.get("userData") or "")
            # moto decodes what botocore encodes, and then once more
            call.ec2.modify_instance_attribute(InstanceId=id_, UserData={"Value": text.encode()})
        call.ec2.start_instances(InstanceIds=[id_])
        self._wait(call, id_, "running")

    def delete(self, call: Call, id_: str, old: Properties) -> None:
        if old.get("forceDestroy"):
            for name in ("DisableApiTermination", "DisableApiStop"):
                call.delete(partial(call.ec2.modify_instance_attribute, InstanceId=id_, **{name: {"Value": False}}))
        call.delete(lambda: call.ec2.terminate_instances(InstanceIds=[id_]))
        call.wait_until(f"EC2 Instance ({id_}) to be terminated", lambda: find_instance(call, id_) is None)


def strip_defaults(call: Call, everything: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The tags of a volume that are its own block's."""
    defaults = call.account.default_tags
    return {key: value for key, value in everything.items() if key in own or defaults.get(key) != value}
