"""Actions in plain words."""

import pytest

from audit_pipelines.serve.web.terms import plain


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("authentication.login", "Signed in"),
        ("api_key.created", "API key created"),
        ("guardrail.updated", "Guardrail updated"),
        ("drift_scan.completed", "Drift scan completed"),
        ("ConsoleLogin", "Consolelogin"),
        ("", ""),
        ("<b>", "<b>"),
        ("a..b", "a..b"),
    ],
)
def test_plain_words(action, words):
    assert plain(action) == words
