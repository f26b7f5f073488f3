"""How Google says what went wrong, and what a person can do about it."""

from __future__ import annotations

import re

from daskfleet.providers.stack.failures import CAPACITY, DENIED, Pattern

PATTERNS = (
    # First what is told with words of the others: its statuses are few, and a quota that is used up is "denied".
    Pattern(
        "capacity",
        re.compile(r"RESOURCE_POOL_EXHAUSTED|does not have enough resources available"),
        CAPACITY,
    ),
    Pattern(
        "throttled",
        re.compile(r"[rR]ateLimitExceeded|RATE_LIMIT_EXCEEDED|Quota exceeded for quota (?:metric|group)"),
        "the project asks Google too often just now. Say the same command again in a minute: it goes on",
    ),
    Pattern(
        "quota",
        re.compile(r"quotaExceeded|QUOTA_EXCEEDED|Quota '[\w-]+' exceeded"),
        "a quota of the project is used up. Ask for more in the console under IAM, Quotas; remove what is not needed, "
        "or ask for less",
    ),
    Pattern(
        "credentials",
        re.compile(
            r"could not find default credentials|invalid_grant|UNAUTHENTICATED|authError|[iI]nvalid [cC]redentials"
            r"|invalid authentication credentials|reauth related error|No credentials loaded|cannot fetch token"
        ),
        "the credentials are missing or have expired. Renew them (`gcloud auth application-default login`), and say "
        "the same command again: it goes on where it stopped",
    ),
    Pattern(
        "credentials",
        re.compile(r"requires a quota project|USER_PROJECT_DENIED"),
        "your own credentials need a project that their questions count for: `gcloud auth application-default "
        "set-quota-project PROJECT`",
    ),
    Pattern(
        "denied",
        re.compile(r"SERVICE_DISABLED|accessNotConfigured|has not been used in project|API .{0,80}is disabled"),
        "the project has not switched that service on: `gcloud services enable SERVICE.googleapis.com`; which are "
        "needed, the docs of fleets in Google Cloud say",
    ),
    Pattern(
        "denied",
        re.compile(
            r"PERMISSION_DENIED|IAM_PERMISSION_DENIED|Required '[\w.]+' permission|Permission '?[\w.]+'? denied"
            r"|[cC]aller does not have (?:required )?permission|Error 403: .*forbidden"
        ),
        DENIED,
    ),
)
"""How Google says it."""
