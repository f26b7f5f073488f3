"""How Azure says what went wrong, and what a person can do about it."""

from __future__ import annotations

import re

from daskfleet.providers.stack.failures import CAPACITY, DENIED, Pattern

KNOWN_LATE = "a role that was given just now is known everywhere only after some minutes"

PATTERNS = (
    # First what is told with words of the others.
    Pattern(
        "capacity",
        re.compile(
            r"AllocationFailed|AllocationTimeout|OverconstrainedAllocationRequest|OverconstrainedZonalAllocation"
            r"|SkuNotAvailable|AllocatedOnDemandCapacity|sufficient capacity for the requested VM size"
        ),
        CAPACITY,
    ),
    Pattern(
        "quota",
        re.compile(
            r"QuotaExceeded|exceeding approved .{0,80}quota|quota limit|SubscriptionQuota|CountLimitReached"
            r"|exceeds? the (?:regional )?quota"
        ),
        "a quota of the subscription is used up. Ask for more in the portal under Subscriptions, Usage + quotas; "
        "remove what is not needed, or ask for less",
    ),
    Pattern(
        "throttled",
        re.compile(r"TooManyRequests|OperationNotAllowedDueToThrottling|SubscriptionRequestsThrottled|ServerBusy"),
        "the subscription asks Azure too often just now. Say the same command again in a minute: it goes on",
    ),
    Pattern(
        "credentials",
        re.compile(r"InvalidAuthenticationTokenTenant|from the wrong issuer"),
        "your credentials are of another tenant than the subscription: `az login --tenant TENANT`, or ARM_TENANT_ID",
    ),
    Pattern(
        "credentials",
        re.compile(
            r"AADSTS\d+|ExpiredAuthenticationToken|InvalidAuthenticationToken|AuthenticationFailed|InvalidAuthenticationInfo"
            r"|could not acquire access token|DefaultAzureCredential|NoAuthenticationInformation"
        ),
        "the credentials are missing or have expired. Renew them (`az login`, or the ARM_… variables), and say the "
        "same command again: it goes on where it stopped",
    ),
    Pattern(
        "denied",
        re.compile(r"MissingSubscriptionRegistration|not registered to use namespace"),
        "the subscription has not switched that service on: `az provider register --namespace NAMESPACE`; which are "
        "needed, the docs of fleets in Azure say",
    ),
    Pattern(
        "denied",
        re.compile(r"ForbiddenByRbac"),
        f"have the role Key Vault Secrets User on the secret; {KNOWN_LATE}",
    ),
    Pattern(
        "denied",
        re.compile(r"AuthorizationPermissionMismatch"),
        f"have the role Storage Blob Data Reader on the container with the logs; {KNOWN_LATE}",
    ),
    Pattern(
        "denied",
        re.compile(r"ForbiddenByFirewall|ForbiddenByConnection|AuthorizationFailure|PublicNetworkAccess"),
        "the service's firewall does not let you in from here. Ask from another network, or have yours let in",
    ),
    Pattern(
        "denied",
        re.compile(r"ScopeLocked"),
        "a lock of Azure's keeps it: remove the lock, in the portal under Locks",
    ),
    Pattern(
        "denied",
        re.compile(r"RequestDisallowedByPolicy|disallowed by policy"),
        "a policy of your organisation forbids it. Ask whoever looks after the subscription",
    ),
    Pattern(
        "denied",
        re.compile(r"AuthorizationFailed|LinkedAuthorizationFailed|does not have authorization to perform action"),
        DENIED,
    ),
)
"""How Azure says it."""
