"""How AWS says what went wrong, and what a person can do about it."""

from __future__ import annotations

import re

from daskfleet.providers.stack.failures import CAPACITY, DENIED, Pattern

PATTERNS = (
    Pattern(
        "credentials",
        re.compile(
            r"ExpiredToken|RequestExpired|InvalidClientTokenId|AuthFailure|UnrecognizedClientException"
            r"|InvalidAccessKeyId|SignatureDoesNotMatch|[Nn]o valid credential sources?|NoCredentialProviders"
            r"|token .{0,40}expired|failed to refresh cached credentials|get credentials"
        ),
        "the credentials are missing or have expired. Renew them (`aws sso login`, AWS_PROFILE or the AWS_… "
        "variables), and say the same command again: it goes on where it stopped",
    ),
    Pattern(
        "denied",
        re.compile(r"AccessDenied|UnauthorizedOperation|is not authorized to perform|AuthorizationError|explicit deny"),
        DENIED,
    ),
    Pattern(
        "throttled",
        re.compile(r"Throttling|RequestLimitExceeded|TooManyRequests|SlowDown|Rate exceeded"),
        "the cloud is asked too often by this account just now. Say the same command again in a minute: it goes on",
    ),
    Pattern(
        "quota",
        re.compile(
            r"VcpuLimitExceeded|InstanceLimitExceeded|LimitExceeded|ServiceQuotaExceeded|MaxSpotInstanceCountExceeded"
            r"|AddressLimitExceeded|QuotaExceeded|maximum number of"
        ),
        "a quota of the account is used up. Ask for more in Service Quotas, remove what is not needed, or ask for less",
    ),
    Pattern(
        "capacity",
        re.compile(
            r"InsufficientInstanceCapacity|InsufficientCapacity|SpotMaxPriceTooLow|no Spot capacity"
            r"|UnfulfillableCapacity"
        ),
        CAPACITY,
    ),
)
"""How AWS says it."""
