"""Style sheet, scripts and fonts."""

import re

import pytest

from audit_pipelines.serve.web.static import files


@pytest.fixture
def client(door):
    return door.client()


@pytest.mark.parametrize("name", sorted(files().content))
def test_each_file_is_sent_for_good_under_the_digest(client, name):
    answer = client.get(f"/static/{files().digest}/{name}")
    assert answer.status_code == 200
    assert answer.content == files().content[name][0]
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["0000000000000000/style.css", "{}/nothing.css", "{}/..%2f..%2fstyle.css", "{}/%2e%2e/style.css", "{}/README.md"]
)
def test_nothing_else_is_there(client, path):
    assert client.get("/static/" + path.format(files().digest)).status_code == 404


def test_the_style_sheet_and_the_scripts_name_only_files_that_are_there():
    texts = [data.decode() for name, (data, _) in files().content.items() if name.endswith((".css", ".js"))]
    named = {name for text in texts for name in re.findall(r'url\("([^"]+)"\)|from "\./([^"]+)"', text) for name in name if name}
    assert named
    assert named <= set(files().content)


def test_no_template_has_a_style_or_a_script_of_its_own():
    from audit_pipelines.shipped import shipped

    for path in (shipped("templates") / "viewer").glob("*.j2"):
        text = path.read_text()
        assert re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", text) is None, path.name
        assert re.search(r"\|\s*safe\b|autoescape", text) is None, path.name
