"""``[serve]``: what may stand in the settings, and what is refused with a word of advice."""

import re
from pathlib import Path

import msgspec
import pytest

from audit_pipelines import settings
from audit_pipelines.errors import SettingsError
from audit_pipelines.serving import ServeOidc

HEAD = '[organisation]\nname = "x"\nid = "x"\nstart = 2026-01-01\n'
OIDC = '[serve.oidc]\nissuer = "https://id.example.com"\nclient_id = "x"\nclient_secret_env = "X"\n'


def load(lines):
    return settings.parse(HEAD + lines).serve


def test_without_the_table_loopback_is_served():
    serve = load("")
    assert (serve.host, serve.port, serve.prefix, serve.https, serve.oidc) == ("127.0.0.1", 8321, "", False, None)


def test_the_public_url_gives_prefix_and_tls():
    serve = load('[serve]\npublic_url = "https://example.com/audit/"\n')
    assert (serve.prefix, serve.https) == ("/audit", True)
    assert load('[serve]\ntls_certificate = "c"\ntls_key = "k"\n').https
    assert not load('[serve]\npublic_url = "http://localhost:8000"\n').https


def test_grants_map_claims_to_scopes():
    serve = load(OIDC + 'grants = { "groups=auditors" = ["auditor"], "email=*@example.com" = ["read", "export"] }\n')
    assert serve.oidc.grants == {"groups=auditors": ("auditor",), "email=*@example.com": ("read", "export")}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("[serve]\nport = 0\n", "serve.port: must be 1 to 65535"),
        ("[serve]\nrequests_a_minute = 0\n", "serve.requests_a_minute: must be at least 1"),
        ('[serve]\nmemory = "1 gig"\n', "serve.memory: '1 gig' is no size"),
        ('[serve]\nmemory = "0GB"\n', "serve.memory: '0GB' is no size"),
        ('[serve]\nquery_timeout = "0s"\n', "serve.query_timeout: must be longer than zero"),
        ('[serve]\nsession = "long"\n', "serve.session: 'long' is no duration"),
        ('[serve]\ntls_key = "k.pem"\n', "TLS needs tls_certificate and tls_key"),
        ('[serve]\npublic_url = "audit.example.com"\n', "serve.public_url: 'audit.example.com' is no address of a server"),
        ('[serve]\npublic_url = "https://a.example/?x"\n', "is no address of a server"),
        ('[serve]\npublic_url = "https://u:p@a.example/"\n', "is no address of a server"),
        ('[serve]\npublic_url = "https://[a.example"\n', "is no address of a server"),
        ('[serve]\npublic_url = "http://a.example"\n', "http would carry tokens in clear"),
        ('[serve]\ntrusted_proxies = ["*"]\n', "serve.trusted_proxies: '*' is no address"),
        ("[serve]\nunknown = 1\n", "serve: unknown key `unknown`"),
        (OIDC, "serve.oidc.grants: without grants nobody may see anything"),
        (OIDC.replace("https", "http") + 'grants = { "a=b" = ["read"] }\n', "http would carry tokens in clear"),
        (OIDC + 'grants = { "auditors" = ["read"] }\n', "'auditors' names no claim and value"),
        (OIDC + 'grants = { "a=b" = ["export"] }\n', "impossible scopes"),
        (OIDC + 'grants = { "a=b" = ["all"] }\n', "Invalid enum value 'all'"),
        (OIDC + 'scope = "email"\ngrants = { "a=b" = ["read"] }\n', "serve.oidc.scope: must contain openid"),
        (OIDC.replace('"X"', '""') + 'grants = { "a=b" = ["read"] }\n', "serve.oidc.client_secret_env: must not be empty"),
    ],
)
def test_what_is_impossible_is_refused(lines, says):
    with pytest.raises(SettingsError) as found:
        load(lines)
    assert says in str(found.value)


def test_settings_page_lists_exactly_the_keys_of_oidc():
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()
    section = page.split("## `[serve.oidc]`")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \| .+ \| (.+?) \| .+ \|$", section, flags=re.MULTILINE)
    fields = msgspec.structs.fields(ServeOidc)
    assert [name for name, _ in listed] == [field.name for field in fields]
    assert dict(listed)["scope"] == f'`"{ServeOidc.__struct_defaults__[0]}"`'
