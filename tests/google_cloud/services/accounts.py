"""IAM: service accounts.

https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts
"""

from __future__ import annotations

import re
from typing import Any

from google_cloud.errors import ApiError
from google_cloud.routing import Call, Routes
from google_cloud.services.pages import list_page
from google_cloud.services.policies import (
    POLICY,
    conflict,
    drop_policy,
    forget_account,
    read_policy,
    read_version,
    write_policy,
)
from google_cloud.validation import choose_mask, judge_shape, make_fingerprint

SERVICE = "iam.serviceAccounts"
ACCOUNT_ID = re.compile(r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])")
MOST_NAME, MOST_DESCRIPTION, MOST_ACCOUNTS = 100, 256, 100
MASKS = {"display_name": "displayName", "displayName": "displayName", "description": "description"}
DETAILS = {
    "displayName": str,
    "description": str,
    **dict.fromkeys(("name", "projectId", "uniqueId", "email", "etag", "oauth2ClientId"), str),
    "disabled": bool,
}


def register(routes: Routes) -> None:
    base = "/v1/projects/{project}/serviceAccounts"
    one = f"{base}/{{account}}"
    routes.add("POST", base, f"{SERVICE}.create", create, "")
    routes.add("GET", base, f"{SERVICE}.list", list_accounts, "pageSize pageToken")
    routes.add("GET", one, f"{SERVICE}.get", lambda call: dict(find(call)), "")
    routes.add("PATCH", one, f"{SERVICE}.patch", patch, "")
    routes.add("DELETE", one, f"{SERVICE}.delete", delete, "")
    for verb in ("enable", "disable"):
        routes.add("POST", f"{one}:{verb}", f"{SERVICE}.{verb}", switch, "")
    versions = "options.requestedPolicyVersion"
    routes.add("POST", f"{one}:getIamPolicy", f"{SERVICE}.getIamPolicy", get_policy, versions)
    routes.add("POST", f"{one}:setIamPolicy", f"{SERVICE}.setIamPolicy", set_policy, "")


def create(call: Call) -> dict[str, Any]:
    body = call.json()
    judge_shape(body, {"accountId": str, "serviceAccount": DETAILS})
    account_id, details = body.get("accountId") or "", body.get("serviceAccount") or {}
    if not ACCOUNT_ID.fullmatch(account_id):
        raise ApiError(
            400,
            f"Invalid service account ID: {account_id}. It must be 6 to 30 characters long, and match "
            "[a-z]([-a-z0-9]*[a-z0-9]).",
        )
    check_lengths(details)
    email = f"{account_id}@{call.project}.iam.gserviceaccount.com"
    accounts = call.world.services.accounts
    if email in accounts:
        raise ApiError(409, f"Service account {account_id} already exists within project projects/{call.project}.")
    if sum(each["projectId"] == call.project for each in accounts.values()) >= MOST_ACCOUNTS:
        raise ApiError(429, "Maximum number of service accounts on project reached.")
    unique_id = f"1{call.world.count():020d}"
    accounts[email] = {
        "name": f"projects/{call.project}/serviceAccounts/{email}",
        "projectId": call.project,
        "uniqueId": unique_id,
        "email": email,
        **{key: details[key] for key in ("displayName", "description") if details.get(key)},
        "etag": make_fingerprint([unique_id, details]),
        "oauth2ClientId": unique_id,
    }
    return dict(accounts[email])


def check_lengths(details: dict[str, Any]) -> None:
    if len((details.get("displayName") or "").encode()) > MOST_NAME:
        raise ApiError(400, f"The display name is longer than {MOST_NAME} bytes.")
    if len((details.get("description") or "").encode()) > MOST_DESCRIPTION:
        raise ApiError(400, f"The description is longer than {MOST_DESCRIPTION} bytes.")


def find(call: Call) -> dict[str, Any]:
    """The account that a request names, by its email or its unique id; of a project that `-` leaves open."""
    wanted = call.args["account"]
    for account in call.world.services.accounts.values():
        if wanted in (account["email"], account["uniqueId"]) and call.project in ("-", account["projectId"]):
            return account
    raise ApiError(404, f"Unknown service account: projects/{call.project}/serviceAccounts/{wanted}", "notFound")


def list_accounts(call: Call) -> dict[str, Any]:
    own = [dict(each) for each in call.world.services.accounts.values() if each["projectId"] == call.project]
    return list_page("accounts", own, call.query, "pageSize", 20, 100)


def patch(call: Call) -> dict[str, Any]:
    account, body = find(call), call.json()
    judge_shape(body, {"serviceAccount": DETAILS, "updateMask": str})
    details = body.get("serviceAccount") or {}
    check_lengths(details)
    names = choose_mask(body.get("updateMask") or "", MASKS)
    if details.get("etag") and details["etag"] != account["etag"]:
        raise ApiError(409, "There were concurrent changes of the service account.", word="ABORTED")
    for name in names:
        account.pop(name, None)
        if details.get(name):
            account[name] = details[name]
    account["etag"] = make_fingerprint([call.world.count(), details])
    return dict(account)


def switch(call: Call) -> dict[str, Any]:
    account = find(call)
    account.pop("disabled", None)
    if call.route.id.endswith(".disable"):
        account["disabled"] = True
    return {}


def delete(call: Call) -> dict[str, Any]:
    services, account = call.world.services, find(call)
    del services.accounts[account["email"]]
    drop_policy(services, account["name"])
    forget_account(services, account["email"], account["uniqueId"])
    return {}


def get_policy(call: Call) -> dict[str, Any]:
    version = read_version(call.query.get("options.requestedPolicyVersion"))
    return read_policy(call.world.services, find(call)["name"], version)


def set_policy(call: Call) -> dict[str, Any]:
    services, name, body = call.world.services, find(call)["name"], call.json()
    judge_shape(body, {"policy": POLICY, "updateMask": str})
    return write_policy(services, name, body.get("policy"), call.world.count(), changed=conflict())
