"""``open_source`` and the shipped dialects' headers."""

from datetime import date
from pathlib import Path

import pytest

from audit_pipelines import settings
from audit_pipelines.errors import SourceError
from audit_pipelines.extract import DIALECTS, open_source
from audit_pipelines.extract.access import AccessSource
from audit_pipelines.extract.files import FilesSource
from audit_pipelines.extract.terracotta import TerracottaSource
from audit_pipelines.home import Home
from audit_pipelines.record import load_dialect, parse_dialect

API = settings.Source(name="api", kind="terracotta", dialect="terracotta", url="https://api.example", token_env="API_TOKEN")
OWN = settings.Source(name=settings.ACCESS, kind="access", dialect=settings.ACCESS)
FILES = settings.Source(name="archive", kind="files", dialect="github", path="in")


def opened(source, environ=None):
    dialect = load_dialect(source.dialect, [DIALECTS])
    home, today = Home(Path("/nowhere")), date(2026, 1, 6)
    return open_source(source, home=home, dialect=dialect, seen={}, environ=environ or {}, today=today)


def test_the_kind_picks_the_class():
    assert isinstance(opened(FILES), FilesSource)
    assert isinstance(opened(OWN), AccessSource)
    assert isinstance(opened(API, {"API_TOKEN": " secret\n"}), TerracottaSource)


@pytest.mark.parametrize("environ", [{}, {"API_TOKEN": ""}, {"API_TOKEN": " \n"}])
def test_a_missing_token_names_the_variable_to_set(environ):
    with pytest.raises(SourceError, match="API_TOKEN is not set") as caught:
        opened(API, environ)
    assert caught.value.kind == "auth"


@pytest.mark.parametrize(
    ("name", "ids", "times"),
    [
        ("terracotta", ("id",), ("occurred_at",)),
        ("github", ("_document_id",), ("@timestamp", "created_at")),
        ("cloudtrail", ("eventID",), ("eventTime",)),
        ("audit-pipelines", ("id",), ("time",)),
    ],
)
def test_the_headers_of_the_shipped_dialects(name, ids, times):
    dialect = load_dialect(name, [DIALECTS])
    assert (dialect.id_keys, dialect.time_keys, dialect.time_unit) == (ids, times, "ms")


def test_an_empty_header_line_names_nothing():
    dialect = parse_dialect("any", "-- time: at\n-- arrays:\n--\n-- objects: \n-- Words: more\n", where="here")
    assert dialect.arrays == ()
    assert dialect.objects == ()
