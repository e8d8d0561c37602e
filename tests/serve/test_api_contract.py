"""The OpenAPI document against the running server: every answer is one that the document promises, whatever is asked."""

import base64
import json
import urllib.parse
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from audit_pipelines.serve.filters import LISTS, NAMES

EXAMPLES = 40
"""Requests for each route and mode."""
ROUTES = {
    ("/v1/audit-logs", "get"),
    ("/v1/audit-logs.ndjson", "get"),
    ("/v1/audit-logs/{id}", "get"),
    ("/v1/reports", "get"),
    ("/v1/findings", "get"),
    ("/v1/checkpoint", "get"),
    ("/v1/drops", "get"),
    ("/log/{log}/checkpoint", "get"),
    ("/log/{log}/tile/{tile}", "get"),
}

UNSPOILABLE = {("/v1/audit-logs/{id}", "get"), ("/v1/reports", "get"), ("/v1/checkpoint", "get")}
"""Without parameters that could be of a wrong kind."""


@pytest.fixture(scope="module")
def token(sealed_door):
    return sealed_door.token("admin")


@pytest.fixture(scope="module")
def document(sealed_door):
    return sealed_door.client().get("/v1/openapi.json").raise_for_status().json()


def test_the_document_has_every_route(document):
    assert {(path, method) for path, operations in document["paths"].items() for method in operations} == ROUTES


def test_the_page_tells_of_every_route():
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    told = {path.replace("/{tile}", "/...") for path, _ in ROUTES}
    assert [path for path in sorted(told) if f"`GET {path}`" not in page] == []


def test_the_document_says_what_everything_means(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert operation["security"][0] == {"token": []}
            assert {"4XX", "5XX", "200"} <= set(operation["responses"])
            assert all(parameter["description"] for parameter in operation.get("parameters", [])), path
            assert "X-Request-Id" in operation["responses"]["200"]["headers"]
    identities = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert sorted(identities) == sorted(set(identities))
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in document["components"]["schemas"]


BEYOND_A_SCHEMA = checks.positive_data_acceptance
"""A cursor must be one that was given, a date must exist, `to` must be later than `from`: no JSON Schema can say so."""


def example(cases, check):
    """Run ``check`` with some of ``cases``, the same ones each time."""
    run = given(cases)(check)
    settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))(
        run
    )()


@pytest.mark.parametrize(("path", "method"), sorted(ROUTES))
def test_what_the_document_allows_is_answered_as_it_says(document, sealed_door, token, path, method):
    schema = schemathesis.openapi.from_dict(document)

    def check(case):
        sealed_door.clock.passes(minutes=1)  # wrong credentials are tried too, and only so many a minute are answered
        case.call_and_validate(sealed_door.url, headers={"Authorization": f"Bearer {token}"}, excluded_checks=[BEYOND_A_SCHEMA])

    example(schema[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE), check)


@pytest.mark.parametrize(("path", "method"), sorted(ROUTES - UNSPOILABLE))
def test_what_the_document_forbids_is_refused(document, sealed_door, token, path, method):
    schema = schemathesis.openapi.from_dict(without_security(document))

    def check(case):
        lone = any(not isinstance(case.query.get(name, []), list) for name in (*LISTS, "severity", "rule"))
        excluded = [checks.negative_data_rejection] if lone else []  # in a URL, a lone value is a list of one
        case.call_and_validate(sealed_door.url, headers={"Authorization": f"Bearer {token}"}, excluded_checks=excluded)

    example(schema[path][method].as_strategy(generation_mode=GenerationMode.NEGATIVE), check)


def without_security(document: dict) -> dict:
    """The document as if no credentials were needed: those that a test sends would hide what is spoilt."""
    paths = {
        path: {method: {**operation, "security": []} for method, operation in operations.items()}
        for path, operations in document["paths"].items()
    }
    return {**document, "paths": paths}


TEXTS = (
    st.text(max_size=40)
    | st.text(min_size=490, max_size=510)
    | st.sampled_from(["", " ", "..", "%", "\ufeff", "\u202e", "\U0010ffff", "'--", "*"])
)
DATES = (
    st.dates().map(str)
    | st.datetimes(timezones=st.just(None) | st.timezones()).map(lambda at: at.isoformat())
    | st.text(max_size=30)
)


@pytest.fixture(scope="module")
def asking(sealed_door, token):
    with sealed_door.client(token) as client:
        yield client


def answered(client, path: str, **query) -> None:
    """Whatever is asked, the answer is whole, or says in plain words what was wrong with the question."""
    answer = client.get(f"{path}?{urllib.parse.urlencode(query, doseq=True, errors='surrogatepass')}")
    assert answer.status_code in (200, 400, 404, 409), answer.text
    if answer.status_code != 200:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (problem["status"], problem["request_id"]) == (answer.status_code, answer.headers["x-request-id"])
        assert len(problem["detail"]) > 10
        assert not any(word in problem["detail"] for word in ("Traceback", "Error:", "duckdb", "/tmp"))


@settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(query=st.dictionaries(st.sampled_from([*NAMES, "limit", "cursor", "order", "format", "x"]), TEXTS, max_size=4))
def test_any_text_as_any_parameter(asking, query):
    answered(asking, "/v1/audit-logs", **{"limit": "3", **query})


@settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(since=DATES, until=DATES)
def test_any_dates(asking, since, until):
    for path in ("/v1/audit-logs", "/v1/findings"):
        answered(asking, path, **{"from": since, "to": until, "limit": 1})


@settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    made=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), st.lists, max_leaves=8),
    data=st.data(),
)
def test_any_cursor(asking, made, data):
    """Texts, and JSON of other shapes in the coat of a cursor."""
    cursor = data.draw(st.sampled_from([json.dumps(made), json.dumps([7103, "desc", made, "", "x", 1])]))
    coated = base64.urlsafe_b64encode(cursor.encode("utf-8", "surrogatepass")).decode().rstrip("=")
    for path in ("/v1/audit-logs", "/v1/findings", "/v1/drops"):
        answered(asking, path, cursor=coated)


@settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(name=TEXTS)
def test_any_id(asking, name):
    answered(asking, f"/v1/audit-logs/{urllib.parse.quote(name, safe='', errors='surrogatepass')}")


@pytest.mark.parametrize("limit", [-1, 0, 10_001, 2**31, 2**64, 10**400, "1e3", "0x10", "\u0661", "", "1,000", "nan"])
def test_a_size_that_is_none(asking, limit):
    for path in ("/v1/audit-logs", "/v1/findings", "/v1/drops"):
        answer = asking.get(path, params={"limit": limit})
        assert (answer.status_code, answer.json()["detail"][:7]) == (400, "limit: ")


def test_a_spoilt_url_is_refused_or_read_as_text(asking):
    for query in ("q=%", "q=%zz", "q=%ff%fe", "q=%c3%28", "%00=1", "q", "=", "&&", "q=a;b", "q=" + "%41" * 1000):
        answer = asking.get(f"/v1/audit-logs?{query}")
        assert answer.status_code in (200, 400), query
