"""The cloudtrail dialect: AWS management, data and sign-in events."""

import json
import os
from pathlib import Path

import msgspec
import pytest

VECTOR = Path(__file__).parents[1] / "vectors" / "cloudtrail" / "delivered.json"
SHARED = Path(os.environ.get("AUDIT_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "cloudtrail_invictus"

COMMON = [
    ("signin", "ConsoleLogin", "authentication.login", "authentication"),
    ("sso", "UserAuthentication", "authentication.login", "authentication"),
    ("signin", "CredentialVerification", "authentication.login", "authentication"),
    ("sso", "Logout", "authentication.logout", "authentication"),
    ("iam", "CreateAccessKey", "api_key.created", "authentication"),
    ("iam", "CreateServiceSpecificCredential", "api_key.created", "authentication"),
    ("iam", "DeleteAccessKey", "api_key.revoked", "authentication"),
    ("iam", "DeleteServiceSpecificCredential", "api_key.revoked", "authentication"),
    ("iam", "CreateUser", "seat.added", "access"),
    ("identitystore", "CreateUser", "seat.added", "access"),
    ("iam", "DeleteUser", "seat.removed", "access"),
    ("bedrock", "CreateGuardrail", "guardrail.created", "configuration"),
    ("bedrock", "UpdateGuardrail", "guardrail.updated", "configuration"),
    ("bedrock", "DeleteGuardrail", "guardrail.deleted", "configuration"),
    ("cloudformation", "DetectStackDrift", "drift_scan.initiated", "drift"),
]
OWN = [
    ("iam", "AttachUserPolicy", False, "configuration"),
    ("iam", "CreateLoginProfile", False, "authentication"),
    ("iam", "DeactivateMFADevice", False, "authentication"),
    ("iam", "ListMFADevices", True, "access"),
    ("sts", "AssumeRole", True, "authentication"),
    ("s3", "GetBucketAcl", True, "access"),
    ("s3", "PutBucketPolicy", False, "configuration"),
    ("s3", "GetObject", True, "data"),
    ("s3", "DeleteObjects", False, "data"),
    ("secretsmanager", "GetSecretValue", True, "data"),
    ("ssm", "GetParameter", True, "data"),
    ("ssm", "StartSession", False, "access"),
    ("ec2", "GetPasswordData", True, "data"),
    ("kms", "Decrypt", True, "access"),
    ("cloudtrail", "StopLogging", False, "configuration"),
    ("budgets", "ModifyBudget", False, "billing"),
    ("lambda", "UpdateFunctionCode20150331v2", False, "configuration"),
    ("ec2", "DescribeInstances", None, "access"),
    ("ec2", "RunInstances", None, "configuration"),
]


@pytest.fixture
def one(mapped):
    def one(**record) -> dict:
        (row,) = mapped("cloudtrail", [json.dumps(record)])
        return row

    return one


def call(service: str, event: str, **more) -> dict:
    return {"eventSource": f"{service}.amazonaws.com", "eventName": event, **more}


def targets(row: dict) -> list[tuple]:
    return [(target["type"], target["id"], target["name"]) for target in row["targets"]]


@pytest.mark.parametrize(("service", "event", "action", "category"), COMMON)
def test_calls_with_a_common_name(one, service, event, action, category):
    row = one(**call(service, event, readOnly=False))
    assert (row["action"], row["category"], row["outcome"]) == (action, category, "success")


@pytest.mark.parametrize(("service", "event", "read_only", "category"), OWN)
def test_all_others_are_service_and_event(one, service, event, read_only, category):
    row = one(**call(service, event, readOnly=read_only))
    assert (row["action"], row["category"]) == (f"{service}.{event}", category)


def test_data_events_are_data(one):
    assert one(**call("lambda", "Invoke", eventCategory="Data", readOnly=False))["category"] == "data"


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, "success"),
        ({"responseElements": {"ConsoleLogin": "Success"}}, "success"),
        ({"responseElements": {"ConsoleLogin": "Failure"}}, "failure"),
        ({"errorCode": "AccessDenied"}, "failure"),
        ({"errorMessage": "Failed authentication"}, "failure"),
    ],
)
def test_outcome(one, more, outcome):
    assert one(**call("signin", "ConsoleLogin", **more))["outcome"] == outcome


ROLE = {"type": "Role", "principalId": "AROA1", "arn": "arn:aws:iam::1:role/deploy", "userName": "deploy"}
SSO = ROLE | {"userName": "AWSReservedSSO_Admin_0123456789abcdef"}


@pytest.mark.parametrize(
    ("identity", "actor"),
    [
        (
            {"type": "IAMUser", "principalId": "AIDA1", "arn": "arn:aws:iam::1:user/ada", "userName": "ada"},
            ("user", "AIDA1", "ada", None),
        ),
        ({"type": "Root", "principalId": "1", "arn": "arn:aws:iam::1:root"}, ("user", "1", "root", None)),
        (
            {"type": "AssumedRole", "principalId": "AROA1:build-17", "sessionContext": {"sessionIssuer": ROLE}},
            ("service", "AROA1", "deploy/build-17", None),
        ),
        (
            {"type": "AssumedRole", "principalId": "AROA1:ada@example.org", "sessionContext": {"sessionIssuer": SSO}},
            ("user", "AROA1:ada@example.org", "AWSReservedSSO_Admin_0123456789abcdef/ada@example.org", "ada@example.org"),
        ),
        (
            {"type": "AWSService", "invokedBy": "config.amazonaws.com"},
            ("system", "config.amazonaws.com", "config.amazonaws.com", None),
        ),
        ({"accountId": "1", "invokedBy": "kms.amazonaws.com"}, ("system", "kms.amazonaws.com", "kms.amazonaws.com", None)),
        (
            {"type": "FederatedUser", "principalId": "1:bob", "arn": "arn:aws:sts::1:federated-user/bob"},
            ("user", "1:bob", "bob", None),
        ),
        (
            {"type": "SAMLUser", "principalId": "x", "userName": "ada@example.org"},
            ("user", "x", "ada@example.org", "ada@example.org"),
        ),
        ({"type": "AWSAccount", "principalId": "AIDA2", "accountId": "2"}, ("unknown", "AIDA2", "2", None)),
        ({}, ("unknown", None, None, None)),
    ],
)
def test_actors(one, identity, actor):
    row = one(userIdentity=identity)
    assert (row["actor_type"], row["actor_id"], row["actor_name"], row["actor_email"]) == actor


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (
            {"resources": [{"ARN": "arn:aws:s3:::b", "type": "AWS::S3::Bucket"}, {"ARN": "arn:aws:kms:eu:1:key/k"}]},
            [("AWS::S3::Bucket", "arn:aws:s3:::b", "b"), ("kms", "arn:aws:kms:eu:1:key/k", "k")],
        ),
        ({"resources": [], "requestParameters": {"userName": "ada"}}, [("user", "ada", "ada")]),
        (
            call(
                "iam",
                "CreateAccessKey",
                requestParameters={"userName": "ada"},
                responseElements={"accessKey": {"accessKeyId": "AKIA1"}},
            ),
            [("api_key", "AKIA1", None), ("user", "ada", "ada")],
        ),
        (
            call("iam", "AttachRolePolicy", requestParameters={"roleName": "r", "policyArn": "arn:aws:iam::aws:policy/Admin"}),
            [("role", "r", "r"), ("policy", "arn:aws:iam::aws:policy/Admin", "Admin")],
        ),
        (
            call("s3", "GetObject", requestParameters={"bucketName": "b", "key": "k/x"}),
            [("object", "b/k/x", "k/x"), ("bucket", "b", "b")],
        ),
        (call("cloudtrail", "StopLogging", requestParameters={"name": "main"}), [("trail", "main", "main")]),
        (
            call("ec2", "StopInstances", requestParameters={"instancesSet": {"items": [{"instanceId": "i-1"}]}}),
            [("instance", "i-1", None)],
        ),
        (call("ec2", "DescribeRegions", requestParameters=None), []),
        (call("x", "Y", requestParameters={"userName": {"a": 1}, "roleName": ["r"]}), []),
    ],
)
def test_targets(one, record, found):
    assert targets(one(**record)) == found


def test_the_rest(one):
    row = one(
        recipientAccountId="1", sourceIPAddress="config.amazonaws.com", userAgent="[Boto3/1.26]", requestID="r",
        userIdentity={"accessKeyId": "AKIA1", "accountId": "2"},
    )  # fmt: skip
    assert (row["org_id"], row["source_ip"], row["user_agent"]) == ("1", "config.amazonaws.com", "[Boto3/1.26]")
    assert (row["api_key_id"], row["request_id"], row["session_id"], row["changes"]) == ("AKIA1", "r", None, [])


def test_real_records(mapped):
    records = msgspec.json.decode(VECTOR.read_bytes(), type=dict[str, list[msgspec.Raw]])["Records"]
    rows = {row["action"]: row for row in mapped("cloudtrail", [bytes(record).decode() for record in records])}
    assert {(action, row["category"], row["outcome"], row["actor_type"]) for action, row in rows.items()} == {
        ("s3.GetBucketAcl", "access", "success", "user"),
        ("kms.Decrypt", "access", "success", "user"),
        ("sts.AssumeRole", "authentication", "failure", "user"),
        ("ec2.GetPasswordData", "data", "failure", "service"),
        ("secretsmanager.GetSecretValue", "data", "success", "user"),
        ("secretsmanager.StartSecretVersionDelete", "configuration", "success", "system"),
        ("cloudtrail.StopLogging", "configuration", "failure", "user"),
        ("api_key.created", "authentication", "success", "user"),
        ("authentication.login", "authentication", "success", "user"),
    }


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample data is not on this machine")
def test_the_whole_real_trail(mapped):
    records = []
    for path in sorted(SHARED.glob("*.json")):
        records += msgspec.json.decode(path.read_bytes(), type=dict[str, list[msgspec.Raw]])["Records"]
    rows = mapped("cloudtrail", [bytes(record).decode() for record in records])
    assert len(rows) == 2140
    assert sum(row["outcome"] == "failure" for row in rows) == 231
    assert "other" not in {row["category"] for row in rows}
    assert {row["org_id"] for row in rows} == {"123837392027"}
    assert all(row["actor_id"] for row in rows)
