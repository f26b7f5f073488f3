"""The API versions that each type is asked with: those that clients of today use, not all that Azure has."""

from __future__ import annotations

from azure_cloud.errors import AzureError

NETWORK = ("2023-02-01", "2023-11-01", "2024-05-01", "2024-07-01", "2024-10-01", "2025-01-01", "2026-03-01")
MACHINES = (
    "2023-09-01",
    "2024-03-01",
    "2024-07-01",
    "2024-11-01",
    "2025-04-01",
    "2025-11-01",
    "2026-03-01",
    "2026-04-01",
)
GALLERIES = ("2022-03-03", "2022-08-03", "2023-07-03", "2024-03-03", "2025-03-03", "2025-12-03", "2026-03-03")
VERSIONS: dict[str, tuple[str, ...]] = {
    "microsoft.resources": (
        "2020-10-01",
        "2021-04-01",
        "2022-09-01",
        "2022-12-01",
        "2024-03-01",
        "2024-11-01",
        "2025-04-01",
    ),
    "microsoft.network": NETWORK,
    "microsoft.managedidentity": ("2018-11-30", "2023-01-31", "2024-11-30"),
    "microsoft.authorization": ("2022-04-01",),
    "microsoft.keyvault": ("2021-10-01", "2023-02-01", "2023-07-01", "2024-11-01", "2026-05-15"),
    "microsoft.storage": ("2022-09-01", "2023-01-01", "2023-05-01", "2024-01-01", "2025-06-01", "2026-09-01"),
    "microsoft.compute": MACHINES,
    "microsoft.compute/galleries": GALLERIES,
    "microsoft.compute/disks": ("2023-04-02", "2024-03-02", "2025-01-02", "2026-03-02"),
    "microsoft.compute/skus": ("2021-07-01",),
}


def find_versions(type_: str) -> tuple[str, ...]:
    """Those of a type, or of the nearest that has its own."""
    words = type_.lower().split("/")
    for end in range(len(words), 0, -1):
        if "/".join(words[:end]) in VERSIONS:
            return VERSIONS["/".join(words[:end])]
    return ()


def check_version(version: str, type_: str) -> None:
    if not version:
        raise AzureError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    known = find_versions(type_)
    if known and version not in known:
        message = (
            f"The resource type '{type_}' does not support the api-version '{version}'. The supported api-versions are "
            f"'{', '.join(known)}'."
        )
        raise AzureError(400, "NoRegisteredProviderFound", message)
