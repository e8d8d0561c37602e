"""One family of errors: each leaf is one line with place and next step, and has an exit code."""

import inspect

import pytest

from audit_pipelines import errors
from audit_pipelines.errors import AuditError, LockError, RunError, SettingsError, SourceError

LEAVES = sorted((kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind is not AuditError), key=str)


def test_there_are_few_leaves_and_one_root():
    assert 0 < len(LEAVES) <= 12
    assert all(kind.__bases__ == (AuditError,) for kind in LEAVES)


def test_the_charter_lists_every_leaf():
    assert all(f"── {kind.__name__} " in (errors.__doc__ or "") for kind in LEAVES)


@pytest.mark.parametrize("kind", LEAVES)
def test_the_text_says_where_what_and_what_to_do(kind):
    assert str(kind("is torn", where="a/b", todo="mend it")) == "a/b: is torn (mend it)"
    assert str(kind("is torn")) == "is torn"
    assert kind.exit_code > 0


def test_a_script_can_tell_settings_a_partial_run_and_a_held_lock_apart():
    assert [kind.exit_code for kind in (SourceError, SettingsError, RunError, LockError)] == [1, 2, 3, 4]


def test_a_source_error_says_its_kind():
    assert SourceError("no", kind="rate").kind == "rate"
