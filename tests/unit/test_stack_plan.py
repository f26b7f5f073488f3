"""The plan of a stack, from the engine's events; and what of its errors a person is told."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.automation import EngineEvent

from daskfleet.providers.stack.cloud import Leftover
from daskfleet.providers.stack.events import Step, describe_progress, find_drift, read_events, shorten_type
from daskfleet.providers.stack.explain import explain_failure, find_action, find_kind
from daskfleet.providers.stack.plan import CountChange, build_plan, plan_counts
from daskfleet.providers.stack.redact import redact


def step(operation: str, name: str, kind: str = "ec2.Vpc", *properties: str) -> Step:
    return Step(operation, f"urn:pulumi:x::daskfleet::aws:{kind}::{name}", kind, properties)


def event(
    operation: str, name: str, key: str = "resourcePreEvent", kind: str = "aws:ec2/vpc:Vpc", **more: Any
) -> EngineEvent:
    urn = f"urn:pulumi:x::daskfleet::{kind}::{name}"
    state = {
        "type": kind,
        "urn": urn,
        "id": "",
        "parent": "",
        "provider": "",
        "custom": True,
        "inputs": {},
        "outputs": {},
    }
    metadata = {"op": operation, "urn": urn, "type": kind, "provider": "", "new": {**state, **more}, "diffs": ["tags"]}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, key: {"metadata": metadata}})


def told(severity: str, message: str) -> EngineEvent:
    diagnostic = {"message": message, "color": "raw", "severity": severity}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "diagnosticEvent": diagnostic})


def test_a_plan_counts_resources_by_what_happens_to_them():
    steps = [
        step("create", "a"),
        step("update", "b", "iam.Role", "policy"),
        step("delete", "c"),
        step("same", "d"),
        step("refresh", "e"),
        step("update", "e"),
    ]
    plan = build_plan("research", steps)
    assert {change: len(each) for change, each in plan.changes.items()} == {
        "create": 1,
        "replace": 0,
        "update": 2,
        "delete": 1,
    }
    assert plan.same == 1
    assert plan.total == 4
    assert plan.render()[0] == "plan for fleet 'research': 1 to create, 2 to update, 1 to delete, 1 unchanged"
    assert any("iam.Role" in line and "b (policy)" in line for line in plan.render())


@pytest.mark.parametrize(
    "operations", [["create-replacement", "replace", "delete-replaced"], ["delete-replaced", "replace"]]
)
@pytest.mark.parametrize("kind", ["ec2.Instance", "compute.Instance", "compute.VirtualMachine"])
def test_a_replaced_scheduler_is_told_loudly(operations: list[str], kind: str):
    plan = build_plan("x", [step(each, "x-scheduler", kind) for each in operations])
    assert len(plan.changes["replace"]) == 1
    assert plan.replaces_scheduler
    assert "THE SCHEDULER IS REPLACED" in plan.render()[-1]


def test_another_replaced_instance_is_no_replaced_scheduler():
    assert not build_plan("x", [step("replace", "x-scheduler", "ec2.NetworkInterface")]).replaces_scheduler


def test_a_plan_without_changes_says_so_and_one_with_only_a_count_does_not():
    assert build_plan("x", [step("same", "a")]).render() == ("fleet 'x': nothing to change",)
    plan = build_plan("x", [step("same", "a")], [CountChange("cpu", 1, 20)])
    assert not plan.is_empty
    assert "  # group cpu: 1 to 20 machines" in plan.render()


def test_what_others_have_opened_or_changed_is_shown():
    opening = Leftover("security group rule", "sgr-1", "tcp 22 from 0.0.0.0/0 into x")
    plan = build_plan("x", [], openings=[opening], drift=[step("delete", "log", "cloudwatch.LogGroup")])
    text = "\n".join(plan.render())
    assert "opened by others: tcp 22 from 0.0.0.0/0 into x (sgr-1)" in text
    assert "cloudwatch.LogGroup log is gone" in text
    assert plan.as_dict()["openings"] == [{"id": "sgr-1", "what": "tcp 22 from 0.0.0.0/0 into x"}]
    assert plan.as_dict()["drift"][0]["change"] == "delete"


def test_only_groups_that_exist_with_another_count_change_it():
    assert plan_counts({"a": 3, "b": 2, "new": 5}, {"a": 1, "b": 2}) == [CountChange("a", 1, 3)]


def test_what_exists_in_no_cloud_is_in_no_plan():
    events = [
        event("create", "vpc"),
        event("create", "stack", kind="pulumi:pulumi:Stack"),
        event("create", "aws", kind="pulumi:providers:aws"),
        event("create", "fleet", kind="daskfleet:index:Fleet", custom=None),
    ]
    assert [each.name for each in read_events(events).steps] == ["vpc"]


def test_events_tell_steps_results_errors_and_whether_anything_changes():
    summary = {"resourceChanges": {"same": 3, "refresh": 2}, "maybeCorrupt": False, "durationSeconds": 1}
    report = read_events(
        [
            event("same", "a"),
            event("update", "a", "resOutputsEvent"),
            event("update", "c", "resOutputsEvent"),
            event("create", "b", "resOpFailedEvent"),
            told("error", "no\n"),
            told("warning", "hm"),
            told("info", "ok"),
            EngineEvent.from_json({"sequence": 1, "timestamp": 1, "summaryEvent": summary}),
        ]
    )
    assert report.errors == ["no"]
    assert report.warnings == ["hm"]
    assert report.is_still
    assert [each.name for each in find_drift(report, read_events([event("update", "a"), event("same", "c")]))] == ["a"]
    assert [each.name for each in report.failed] == ["b"]


@pytest.mark.parametrize(
    ("token", "short"),
    [
        ("aws:ec2/vpc:Vpc", "ec2.Vpc"),
        ("tls:index/privateKey:PrivateKey", "tls.PrivateKey"),
        ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "vpc.SecurityGroupIngressRule"),
        ("daskfleet:index:Fleet", "daskfleet.Fleet"),
    ],
)
def test_types_are_told_short(token: str, short: str):
    assert shorten_type(token) == short


def test_progress_names_the_resource_and_says_how_far_it_is():
    assert describe_progress(event("create", "x-vpc"), 2, 51) == "creating ec2.Vpc x-vpc (2 of 51 done)"
    assert describe_progress(event("same", "x-vpc"), 2, 51) is None
    assert describe_progress(event("create", "x-vpc", "resOutputsEvent"), 2, 51) is None


DENIED = (
    "1 error occurred:\n\t* creating EC2 VPC: operation error EC2: CreateVpc, https response error StatusCode: 403, "
    "api error UnauthorizedOperation: You are not authorized to perform this operation. User: arn:aws:iam::1:user/x is "
    "not authorized to perform: ec2:CreateVpc on resource: arn"
)


def test_a_refusal_names_the_action_what_aws_said_and_what_to_do():
    text = explain_failure([DENIED, "update failed"], "aws")
    assert text.startswith("ec2:CreateVpc was refused: ")
    assert "is not authorized to perform" in text
    assert "what to do: this identity may not do that" in text


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("api error ExpiredToken: The security token included in the request is expired", "credentials"),
        ("no valid credential sources for AWS found", "credentials"),
        ("api error AccessDenied: User is not authorized to perform: iam:CreateRole", "denied"),
        ("VpcLimitExceeded: The maximum number of VPCs has been reached.", "quota"),
        ("VcpuLimitExceeded: You have requested more vCPU capacity", "quota"),
        ("InsufficientInstanceCapacity: We currently do not have sufficient capacity", "capacity"),
        ("RequestLimitExceeded: Request limit exceeded.", "throttled"),
        ("Throttling: Rate exceeded", "throttled"),
        ("error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE", "state"),
        ("no resource plugin 'pulumi-resource-aws' found in the workspace", "other"),
    ],
)
def test_each_kind_of_failure_is_told_apart(said: str, kind: str):
    found = find_kind(said, "aws")
    assert found is not None
    assert found.kind == kind


def test_a_failure_of_no_known_kind_is_told_as_it_is():
    said = "InvalidSubnet.Range: The CIDR is invalid"
    assert find_kind(said, "aws") is None
    assert explain_failure([said], "aws") == said


def test_all_errors_are_told_once_each_with_each_remedy_once():
    text = explain_failure([DENIED, DENIED, "Throttling: a", "Throttling: b", "plugin exited prematurely"], "aws")
    assert text.count("\n  - ") == 3
    assert text.count("what to do") == 2
    assert "prematurely" not in text


def test_what_the_sdk_wraps_around_an_error_is_left_out():
    wrapped = (
        "While processing input: 'x', value <Output> ValueError has risen: While y ValueError has risen: the cause"
    )
    assert explain_failure([wrapped], "aws") == "the cause"
    raised = "python inline source runtime error: the cause\nTraceback (most recent call last):\n  x"
    assert explain_failure([raised], "aws") == "the cause"


def test_where_the_engine_gave_no_diagnostic_its_output_is_told():
    assert explain_failure([], "aws", "hello\nerror: the stack is broken\n") == "the stack is broken"
    assert explain_failure([], "aws") == "the engine said nothing"


def test_the_action_is_found_in_each_of_the_ways_in_which_it_is_said():
    assert find_action("is not authorized to perform: ec2:CreateVpc on") == "ec2:CreateVpc"
    assert find_action("operation error EC2: CreateVpc, https") == "EC2: CreateVpc"
    assert find_action("An error occurred (X) when calling the CreateVpc operation") == "CreateVpc"
    assert find_action("nothing") is None


KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize("text", [f"a {KEY} b", "a -----BEGIN PRIVATE KEY-----\nMHcCAQEE and cut off"])
def test_no_private_key_is_told(text: str):
    assert "MHcCAQEE" not in redact(text)
    assert "MHcCAQEE" not in explain_failure([text], "aws")


@pytest.mark.parametrize(
    "text", ["aws_secret_access_key=abc/def", 'SecretAccessKey: "abc/def"', "session_token: abc/def"]
)
def test_no_credential_is_told(text: str):
    assert "abc/def" not in redact(text)


def test_a_certificate_is_no_secret():
    text = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    assert redact(text) == text


def test_a_plan_as_data_has_everything():
    data = build_plan("x", [step("create", "a")], [CountChange("cpu", 1, 2)]).as_dict()
    assert data["changes"]["create"] == [{"type": "ec2.Vpc", "name": "a", "properties": []}]
    assert data["counts"] == {"cpu": {"before": 1, "after": 2}}
    assert data["replaces_scheduler"] is False
