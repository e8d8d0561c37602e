"""The github dialect: audit log of organisations and enterprises, security log of accounts."""

import json
import os
from pathlib import Path

import pytest

VECTOR = Path(__file__).parents[1] / "vectors" / "github" / "security_log.ndjson"
SHARED = (
    Path(os.environ.get("AUDIT_SHARED", Path(__file__).parents[3] / "shared")) / "data/github_audit_azure/github_audit.ndjson"
)

COMMON = {
    "user.login": ("authentication.login", "authentication", "success"),
    "user.failed_login": ("authentication.login", "authentication", "failure"),
    "user.logout": ("authentication.logout", "authentication", "success"),
    "personal_access_token.create": ("api_key.created", "authentication", "success"),
    "oauth_access.create": ("api_key.created", "authentication", "success"),
    "personal_access_token.destroy": ("api_key.revoked", "authentication", "success"),
    "oauth_access.destroy": ("api_key.revoked", "authentication", "success"),
    "org.add_member": ("seat.added", "access", "success"),
    "business.add_organization_member": ("seat.added", "access", "success"),
    "copilot.cfb_seat_assignment_created": ("seat.added", "access", "success"),
    "org.remove_member": ("seat.removed", "access", "success"),
    "business.remove_member": ("seat.removed", "access", "success"),
    "copilot.cfb_seat_cancelled": ("seat.removed", "access", "success"),
    "integration_installation.create": ("integration.connected", "configuration", "success"),
    "integration_installation.destroy": ("integration.disconnected", "configuration", "success"),
    "account.plan_change": ("plan.changed", "billing", "success"),
    "business.plan_change": ("plan.changed", "billing", "success"),
    "pull_request.create_review_request": ("review.triggered", "review", "success"),
    "pull_request_review.submit": ("review.completed", "review", "success"),
    "protected_branch.create": ("guardrail.created", "configuration", "success"),
    "repository_ruleset.create": ("guardrail.created", "configuration", "success"),
    "protected_branch.update_admin_enforced": ("guardrail.updated", "configuration", "success"),
    "repository_ruleset.update": ("guardrail.updated", "configuration", "success"),
    "protected_branch.destroy": ("guardrail.deleted", "configuration", "success"),
    "repository_ruleset.destroy": ("guardrail.deleted", "configuration", "success"),
}
OWN = {
    "protected_branch.policy_override": ("configuration", "success"),
    "protected_branch.rejected_ref_update": ("configuration", "failure"),
    "two_factor_authentication.disabled": ("authentication", "success"),
    "user.two_factor_challenge_failure": ("authentication", "failure"),
    "user.sign_in_from_unrecognized_device": ("authentication", "success"),
    "user.new_device_used": ("authentication", "success"),
    "user.reset_password": ("authentication", "success"),
    "org.disable_two_factor_requirement": ("authentication", "success"),
    "org.disable_saml": ("authentication", "success"),
    "personal_access_token.access_revoked": ("authentication", "success"),
    "public_key.create": ("authentication", "success"),
    "org.audit_log_export": ("data", "success"),
    "user.audit_log_export": ("data", "success"),
    "git.clone": ("data", "success"),
    "repo.download_zip": ("data", "success"),
    "org.invite_member": ("access", "success"),
    "org.update_member": ("access", "success"),
    "repo.add_member": ("access", "success"),
    "business.add_admin": ("access", "success"),
    "team.add_member": ("access", "success"),
    "user.promote": ("access", "success"),
    "organization_moderators.add_user": ("access", "success"),
    "billing.change_email": ("billing", "success"),
    "payment_method.update": ("billing", "success"),
    "repo.create": ("configuration", "success"),
    "repo.access": ("configuration", "success"),
    "org.update_default_repository_permission": ("configuration", "success"),
    "hook.create": ("configuration", "success"),
    "integration_installation.repositories_added": ("configuration", "success"),
    "secret_scanning.disable": ("configuration", "success"),
    "ip_allow_list.disable": ("configuration", "success"),
    "business_advanced_security.disabled": ("configuration", "success"),
    "workflows.completed_workflow_run": ("other", "success"),
    "something.nobody_knows": ("other", "success"),
}


@pytest.fixture
def one(mapped):
    def one(**record) -> dict:
        (row,) = mapped("github", [json.dumps(record)])
        return row

    return one


def targets(row: dict) -> list[tuple]:
    return [(target["type"], target["id"], target["name"]) for target in row["targets"]]


@pytest.mark.parametrize("action", COMMON)
def test_actions_with_a_common_name(one, action):
    row = one(action=action, actor="ada")
    assert (row["action"], row["category"], row["outcome"]) == COMMON[action]


@pytest.mark.parametrize("action", OWN)
def test_all_others_keep_their_own_name(one, action):
    row = one(action=action, actor="ada")
    assert (row["action"], row["category"], row["outcome"]) == (action, *OWN[action])


def test_without_an_action_nothing_is_claimed(one):
    row = one(actor="ada")
    assert (row["action"], row["category"], row["outcome"]) == (None, "other", "unknown")


def test_the_actor(one):
    row = one(action="repo.create", actor="ada", actor_id=7, actor_ip="203.0.113.7", user_agent="git/2", request_id="r1")
    assert (row["actor_type"], row["actor_id"], row["actor_name"], row["actor_email"]) == ("user", "7", "ada", None)
    assert (row["source_ip"], row["user_agent"], row["request_id"]) == ("203.0.113.7", "git/2", "r1")
    assert one(actor="ada")["actor_id"] == "ada"
    assert one(actor="ada", external_identity_nameid="ada@example.org")["actor_email"] == "ada@example.org"
    assert one(actor="ada", external_identity_nameid="ada")["actor_email"] is None
    assert one(actor="robot", actor_is_bot=True)["actor_type"] == "service"
    assert one(actor="deploy[bot]")["actor_type"] == "service"
    assert one(user="ada")["actor_type"] == "unknown"


@pytest.mark.parametrize(
    ("record", "org"),
    [
        ({"org": "acme", "org_id": 5}, "5"),
        ({"org": "acme"}, "acme"),
        ({"org": [], "org_id": [], "business": "corp", "business_id": 9}, "9"),
        ({"org": ["acme", "other"], "org_id": [5, 6]}, "5"),
        ({"org": ["acme"]}, "acme"),
        ({"org": [], "org_id": []}, None),
        ({}, None),
    ],
)
def test_an_organisation_may_be_text_number_or_list(one, record, org):
    assert one(**record)["org_id"] == org


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"action": "user.login", "actor": "ada", "user": "ada", "user_id": 7}, [("user", "7", "ada")]),
        (
            {"action": "repo.create", "actor": "ada", "user": "ada", "repo": "acme/x", "repo_id": 3, "org": "acme"},
            [("repository", "3", "acme/x"), ("organization", None, "acme")],
        ),
        (
            {"action": "org.add_member", "actor": "ada", "user": "bob", "user_id": 8, "org": "acme", "org_id": 5},
            [("user", "8", "bob"), ("organization", "5", "acme")],
        ),
        (
            {"action": "org.add_member", "actor": "ada", "user": "ada", "org": "acme"},
            [("user", None, "ada"), ("organization", None, "acme")],
        ),
        (
            {
                "action": "personal_access_token.create",
                "actor": "ada",
                "user": "ada",
                "user_programmatic_access_name": "ci",
                "token_id": 4,
            },
            [("token", "4", "ci")],
        ),
        ({"action": "integration_installation.create", "actor": "ada", "integration": "App"}, [("integration", None, "App")]),
        ({"action": "hook.create", "actor": "ada", "hook_id": 2, "name": "web"}, [("hook", "2", "web")]),
        ({"action": "hook.create", "actor": "ada", "data": {"hook_id": 2}}, [("hook", "2", None)]),
        ({"action": "team.destroy", "actor": "ada", "data": {"team": "acme/t"}}, [("team", None, "acme/t")]),
        (
            {"action": "business.add_admin", "actor": "ada", "user": "bob", "business": "corp"},
            [("user", None, "bob"), ("enterprise", None, "corp")],
        ),
        ({"action": "git.push", "actor": "ada", "user": "", "user_id": 0, "repo": "acme/x"}, [("repository", None, "acme/x")]),
    ],
)
def test_targets(one, record, found):
    assert targets(one(**record)) == found


def test_a_token_is_the_key_that_was_used_unless_it_is_the_matter(one):
    assert one(action="git.clone", hashed_token="h=")["api_key_id"] == "h="
    assert one(action="git.clone", hashed_token="h=", token_id=5)["api_key_id"] == "5"
    assert one(action="oauth_access.create", hashed_token="h=")["api_key_id"] is None


def test_old_and_previous_members_are_changes(one):
    row = one(
        action="repo.rename", name="new", old_name="old", previous_visibility="public", visibility="private",
        old_permission="read", new_permission={"level": "admin"}, **{"old_a/b": 1},
    )  # fmt: skip
    assert [(change["field"], change["before"], change["after"]) for change in row["changes"]] == [
        ("name", '"old"', '"new"'),
        ("visibility", '"public"', '"private"'),
        ("permission", '"read"', '{"level":"admin"}'),
        ("a/b", "1", None),
    ]


def test_real_records(mapped):
    rows = mapped("github", VECTOR.read_text(encoding="utf-8").splitlines())
    by_action = {row["action"]: row for row in rows}
    assert sorted(by_action) == [
        "api_key.created",
        "api_key.revoked",
        "authentication.login",
        "integration_installation.repositories_added",
        "oauth_authorization.create",
        "repo.create",
        "seat.added",
        "two_factor_authentication.enabled",
        "user.audit_log_export",
        "user.forgot_password",
    ]
    assert len(rows) == 11
    assert targets(by_action["integration_installation.repositories_added"]) == [("integration", None, "GitGuardian")]
    assert targets(by_action["repo.create"])[0][0] == "repository"
    assert (by_action["user.forgot_password"]["actor_id"], by_action["user.forgot_password"]["actor_type"]) == (None, "unknown")
    assert {row["actor_id"] for row in rows} == {"30003", None}


@pytest.mark.skipif(not SHARED.is_file(), reason="the shared sample data is not on this machine")
def test_the_whole_real_log(mapped):
    rows = mapped("github", SHARED.read_text(encoding="utf-8").splitlines())
    assert len(rows) == 63
    assert {row["category"] for row in rows} == {"authentication", "access", "configuration", "data"}
    assert sum(row["outcome"] == "failure" for row in rows) == 6
    assert all(row["targets"] for row in rows)
