"""The functions that look up instance types."""

from __future__ import annotations

from typing import Any

from stand_ins.aws.call import Call
from stand_ins.aws.lookups import Given, describe, narrow, only
from stand_ins.core.shapes import fields, from_api, many


def get_instance_type(call: Call, given: Given) -> dict[str, Any]:
    found = describe(call.ec2.describe_instance_types, "InstanceTypes", [], InstanceTypes=[given["instanceType"]])
    info = only("EC2 Instance Type", found)
    shape = fields(
        "instanceType currentGeneration freeTierEligible bareMetal hypervisor hibernationSupported "
        "burstablePerformanceSupported dedicatedHostsSupported autoRecoverySupported instanceStorageSupported"
        "=InstanceStorageSupported supportedRootDeviceTypes supportedVirtualizationTypes supportedUsagesClasses"
        "=SupportedUsageClasses"
    )
    processor, cpus, network = info.get("ProcessorInfo", {}), info.get("VCpuInfo", {}), info.get("NetworkInfo", {})
    ebs, storage = info.get("EbsInfo", {}), info.get("InstanceStorageInfo", {})
    bandwidth = fields(
        "ebsPerformanceBaselineBandwidth=BaselineBandwidthInMbps ebsPerformanceBaselineIops=BaselineIops "
        "ebsPerformanceBaselineThroughput=BaselineThroughputInMBps "
        "ebsPerformanceMaximumBandwidth=MaximumBandwidthInMbps "
        "ebsPerformanceMaximumIops=MaximumIops ebsPerformanceMaximumThroughput=MaximumThroughputInMBps"
    )
    devices = many(fields("count manufacturer name"))
    memory = info.get("GpuInfo", {}).get("TotalGpuMemoryInMiB")
    gpus = [
        {
            **from_api(fields("count manufacturer name"), gpu),
            "memorySize": gpu.get("MemoryInfo", {}).get("SizeInMiB", 0),
        }
        for gpu in info.get("GpuInfo", {}).get("Gpus", ())
    ]
    disks = [from_api(fields("count size=SizeInGB type"), disk) for disk in storage.get("Disks", ())]
    return {
        **from_api(shape, info),
        **from_api(fields("supportedArchitectures sustainedClockSpeed=SustainedClockSpeedInGhz"), processor),
        **from_api(
            fields(
                "defaultVcpus=DefaultVCpus defaultCores defaultThreadsPerCore validCores "
                "validThreadsPerCores=ValidThreadsPerCore"
            ),
            cpus,
        ),
        **from_api(
            fields(
                "networkPerformance maximumNetworkInterfaces maximumNetworkCards maximumIpv4AddressesPerInterface="
                "Ipv4AddressesPerInterface maximumIpv6AddressesPerInterface=Ipv6AddressesPerInterface ipv6Supported "
                "efaSupported enaSupport"
            ),
            network,
        ),
        **from_api(
            fields("ebsOptimizedSupport ebsEncryptionSupport=EncryptionSupport ebsNvmeSupport=NvmeSupport"), ebs
        ),
        **from_api(bandwidth, ebs.get("EbsOptimizedInfo", {})),
        **from_api(
            fields(inferenceAccelerators=many(devices.fields, "Accelerators")), info.get("InferenceAcceleratorInfo", {})
        ),
        "memorySize": info.get("MemoryInfo", {}).get("SizeInMiB", 0),
        **({"gpuses": gpus, "totalGpuMemory": memory} if gpus else {"gpuses": []}),
        **({"instanceDisks": disks, "totalInstanceStorage": storage.get("TotalSizeInGB", 0)} if disks else {}),
        "supportedPlacementStrategies": info.get("PlacementGroupInfo", {}).get("SupportedStrategies", []),
        "id": given["instanceType"],
        "region": call.region,
    }


def get_instance_type_offerings(call: Call, given: Given) -> dict[str, Any]:
    where = {"LocationType": given["locationType"]} if given.get("locationType") else {}
    offered = describe(call.ec2.describe_instance_type_offerings, "InstanceTypeOfferings", narrow(given), **where)
    return {
        **{key: given[key] for key in ("filters", "locationType") if key in given},
        "id": call.region,
        "region": call.region,
        "instanceTypes": [item["InstanceType"] for item in offered],
        "locations": [item["Location"] for item in offered],
        "locationTypes": [item["LocationType"] for item in offered],
    }
