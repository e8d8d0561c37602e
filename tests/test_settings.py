"""audit.toml: every slip is one line that names the file, the key and the cure."""

import pytest

from audit_pipelines.errors import SettingsError
from audit_pipelines.settings import load, parse, seconds

GOOD = '[organisation]\nname = "Test"\nid = "test"\nstart = 2026-01-01\n'
FILES = '[[sources]]\nname = "a"\nkind = "files"\ndialect = "github"\npath = "inbox"\n'
API = '[[sources]]\nname = "a"\nkind = "terracotta"\ndialect = "terracotta"\nurl = "https://example.com"\ntoken_env = "T"\n'


def test_defaults():
    settings = parse(GOOD)
    assert settings.schedule.overlap_days == 3
    assert settings.retention.months == 12
    assert (settings.retention.enforce, settings.retention.sources) == (False, {})
    assert set(settings.drops) == {"generic", "ecs"}
    assert parse(GOOD + FILES + API.replace('"a"', '"b"')).sources[1].page_size == 1000


BAD = {
    "organisation.id": GOOD.replace('"test"', '"../x"'),
    "organisation.start": GOOD.replace("2026-01-01", '"soon"'),
    "organisation": "",
    "TOML": "[organisation",
    "unknown key": GOOD + "[retention]\nmonth = 12\n",
    "retention.months": GOOD + "[retention]\nmonths = 0\n",
    "months": GOOD + "[retention]\nmonths = true\n",
    "retention.sources.a": GOOD + "[retention]\nsources = { a = 0 }\n",
    "retention.sources: 'A b'": GOOD + '[retention]\nsources = { "A b" = 3 }\n',
    "retention.enforce": GOOD + '[retention]\nenforce = "yes"\n',
    "sources[0].name": GOOD + FILES.replace('"a"', '"A b"'),
    "sources[1].name": GOOD + FILES + FILES,
    "sources[0].kind": GOOD + FILES.replace('"files"', '"ftp"'),
    "'path'": GOOD + FILES.replace('path = "inbox"', ""),
    "'url'": GOOD + API.replace("url", "path"),
    "'token_env'": GOOD + API.replace('token_env = "T"', ""),
    "sources[0].query: 'cursor'": GOOD + API + 'query = { cursor = "x" }\n',
    "sources[0].query: ''": GOOD + API + 'query = { "" = "x" }\n',
    "sources[0].query": GOOD + API + "query = { depth = 1 }\n",
    "which is built in": GOOD + FILES.replace('"a"', '"audit-pipelines"'),
    "the home's own access log": GOOD + FILES.replace('"files"', '"access"'),
    "sources[0].page_size": GOOD + API + "page_size = 0\n",
    "sources[0].retries": GOOD + API + "retries = -1\n",
    "sources[0].timeout": GOOD + API + 'timeout = "soon"\n',
    "schedule.lock_wait": GOOD + '[schedule]\nlock_wait = "10"\n',
    "schedule.every": GOOD + '[schedule]\nevery = "often"\n',
    "schedule.nightly": GOOD + '[schedule]\nnightly = "daily"\n',
    "schedule.monthly": GOOD + '[schedule]\nmonthly = "1 2 3"\n',
    "schedule": GOOD + "[schedule]\noverlap_days = -1\n",
    "revisit_days": GOOD + "[schedule]\nrevisit_days = [0]\n",
    "anomalies.timezone": GOOD + '[anomalies]\ntimezone = "Mars/Base"\n',
    "anomalies": GOOD + "[anomalies]\nwork_start = 20\nwork_end = 7\n",
    "sources[0].timeout: must be longer": GOOD + API + 'timeout = "0s"\n',
    "schedule.every: must be longer": GOOD + '[schedule]\nevery = "0h"\n',
    "drops: '../x'": GOOD + '[drops."../x"]\n',
    "drops.ecs.line_budget": GOOD + "[drops.ecs]\nline_budget = -1\n",
    "compression": GOOD + '[drops.ecs]\ncompression = "rar"\n',
    "identity": GOOD + '[report]\nidentity = "none"\n',
    "unknown": GOOD + '[retention]\n"a\\nb" = 1\n',
}


@pytest.mark.parametrize("key", BAD)
def test_a_slip_is_one_line_with_file_key_and_cure(key):
    with pytest.raises(SettingsError) as raised:
        parse(BAD[key], file="home/audit.toml")
    text = str(raised.value)
    assert text.startswith("home/audit.toml: ")
    assert key in text
    assert "\n" not in text
    assert raised.value.todo
    assert raised.value.exit_code == 2


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        load(tmp_path / "audit.toml")
    (tmp_path / "audit.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "audit.toml")


def test_durations():
    assert [seconds(text, key="k") for text in ("90s", "10m", "6h", "1d")] == [90, 600, 21_600, 86_400]
