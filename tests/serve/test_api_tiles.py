"""/log: a client of transparency logs follows both logs over HTTP, and nothing but tiles can be fetched there."""

import base64
import hashlib
import subprocess

import httpx2
import pytest

from audit_pipelines.defs import signing
from audit_pipelines.seal.standalone import Key, open_checkpoint, parse_vkey
from tests.seal.conftest import load, tlogverify  # noqa: F401 - a fixture
from tests.serve.conftest import Clock, opened

reference = load("reference")
LOGS = ("events", "statements")


def tile_name(number: int) -> str:
    """As c2sp.org/tlog-tiles writes it."""
    groups = f"{number:0{-(-len(str(number)) // 3) * 3}d}"
    parts = [groups[at : at + 3] for at in range(0, len(groups), 3)]
    return "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])


class TileClient:
    """A client that knows the specification and this log's key, and nothing of this program."""

    def __init__(self, client: httpx2.Client, log: str, vkey: str):
        self.client, self.log, self.key = client, log, parse_vkey(vkey)
        self.fetched: dict[str, bytes] = {}

    def get(self, path: str) -> bytes:
        answer = self.client.get(f"/log/{self.log}/{path}").raise_for_status()
        self.fetched[path] = answer.content
        return answer.content

    def head(self) -> tuple[int, bytes]:
        head = open_checkpoint(self.get("checkpoint"), [self.key], "the checkpoint")
        assert [key.fingerprint for key in head.signers] == [self.key.fingerprint]
        return head.size, head.root

    def row(self, level: int, size: int) -> list[bytes]:
        """All hashes of one level."""
        count, found = size >> 8 * level, b""
        for number in range(-(-count // 256)):
            width = min(256, count - number * 256)
            found += self.get(f"tile/{level}/{tile_name(number)}" + (f".p/{width}" if width < 256 else ""))
        assert len(found) == 32 * count
        return [found[at : at + 32] for at in range(0, len(found), 32)]


@pytest.fixture(scope="module")
def vkeys(sealed) -> dict[str, str]:
    (key,) = signing.keys(sealed)
    return dict(zip(LOGS, key.vkeys, strict=True))


@pytest.fixture(scope="module")
def client(sealed_door):
    return sealed_door.client(sealed_door.token("read"))


@pytest.mark.parametrize("log", LOGS)
def test_a_client_follows_the_log(client, vkeys, log):
    tiles = TileClient(client, log, vkeys[log])
    size, root = tiles.head()
    leaves = tiles.row(0, size)
    assert reference.mth(leaves) == root
    for number, above in enumerate(tiles.row(1, size)):
        assert reference.mth(leaves[256 * number : 256 * (number + 1)]) == above


def test_entries_are_the_statements(client, vkeys):
    tiles = TileClient(client, "statements", vkeys["statements"])
    size, _ = tiles.head()
    bundle, entries = tiles.get(f"tile/entries/000.p/{size}"), []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    assert [hashlib.sha256(b"\x00" + entry).digest() for entry in entries] == tiles.row(0, size)
    assert b'"type":"genesis"' in entries[0]


@pytest.mark.parametrize("log", LOGS)
def test_what_was_fetched_satisfies_an_independent_verifier(client, vkeys, log, tmp_path, tlogverify):  # noqa: F811 - the fixture
    tiles = TileClient(client, log, vkeys[log])
    size, _ = tiles.head()
    for level in range(2):
        tiles.row(level, size)
    for path, content in tiles.fetched.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    command = [tlogverify, "tiles", "-vkey", vkeys[log], "-dir", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 pruned" in done.stdout


def test_headers(client):
    tile = client.get("/log/events/tile/0/000")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["cache-control"] == "private, max-age=31536000, immutable"
    head = client.get("/log/events/checkpoint")
    assert head.headers["content-type"] == "text/plain; charset=utf-8"
    assert head.headers["cache-control"] == "private, no-cache"
    assert client.get("/log/events/checkpoint", headers={"if-none-match": head.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/999",  # beyond the log
        "tile/0/027.p/255",  # more than is signed
        "tile/0/027.p/1",  # signed, but there never was a checkpoint at that size
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/x000/000",  # another name of tile 0
        "tile/0/0",
        "tile/0/0000",
        "tile/0/\u0660\u0660\u0660",
        "tile/00/000",
        "tile/64/000",
        "tile/63/000",
        "tile/entries/000",  # entries of events are no one's to read here
        "tile/0/x999/x999/x999/x999/999",
        "tile/0/x999/x999/x999/x999/x999/999",
        "tile/0/%2e%2e/%2e%2e/checkpoint%2f",
        "tile/0/000%00",
        "tile/0/000/",
        "tile/0/0%0a00",
        "tile//etc/passwd",
        "tile/..%2f..%2f..%2faudit.toml",
        "edges/7103",
        "checkpoints/7103",
        "pending",
    ],
)
def test_nothing_else_is_there(client, path):
    answer = client.get(f"/log/events/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_no_other_log_is_there(client):
    assert client.get("/log/anchors/checkpoint").status_code == 400
    assert client.get("/log/../keys/checkpoint").status_code == 404


def test_no_link_reads_the_log(sealed_door):
    period = {"since": sealed_door.clock().replace(month=1, day=1), "until": sealed_door.clock()}
    for limits in (period, {"actor": "usr_1"}, {"report": "2026-01"}):
        client = sealed_door.linked(**limits)
        for path in ("events/checkpoint", "statements/checkpoint", "events/tile/0/000", "statements/tile/entries/000.p/7"):
            assert client.get(f"/log/{path}").status_code == 403


def test_the_log_is_closed_without_a_token_unless_the_settings_open_it(sealed, sealed_door):
    paths = ("/log/events/checkpoint", "/log/events/tile/0/000")
    assert [sealed_door.client().get(path).status_code for path in paths] == [401, 401]
    before = sealed.settings_file.read_text()
    sealed.settings_file.write_text(before.replace("[serve]\n", "[serve]\npublic_log = true\n"))
    try:
        with opened(sealed, Clock()) as door:
            answers = [door.client().get(path) for path in paths]
            assert [answer.status_code for answer in answers] == [200, 200]
            assert answers[1].headers["cache-control"] == "public, max-age=31536000, immutable"
            for closed in ("/v1/checkpoint", "/log/statements/tile/entries/000.p/8", "/log/events/tile/entries/000"):
                assert door.client().get(closed).status_code == 401
    finally:
        sealed.settings_file.write_text(before)


def test_the_checkpoint_of_both_logs_with_their_keys(sealed, client, vkeys):
    found = client.get("/v1/checkpoint").raise_for_status().json()
    (key,) = found["keys"]
    assert key["signs"]
    assert key["vkeys"] == vkeys
    for log in LOGS:
        head = found[log]
        assert head["checkpoint"].encode() == (sealed.log / log / "checkpoint").read_bytes()
        opened_head = open_checkpoint(head["checkpoint"].encode(), [parse_vkey(vkeys[log])], log)
        assert (head["origin"], head["size"]) == (opened_head.origin, opened_head.size)
        assert base64.b64decode(head["root"]) == opened_head.root
        assert Key(head["origin"], parse_vkey(vkeys[log]).public).fingerprint == key["fingerprint"]
