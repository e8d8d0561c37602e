"""Both logs of a home: founded once, extended batch by batch, the same bytes whatever died in between."""

import base64
import hashlib
import random
import shutil
import signal
from datetime import UTC, datetime

import msgspec
import pytest

from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal import keys, sealed
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.appending import append, entries
from audit_pipelines.seal.leaves import leaf
from audit_pipelines.seal.log import Log, checkpoint_sizes, read_checkpoint
from audit_pipelines.seal.notary import Notary
from audit_pipelines.seal.standalone import open_checkpoint

AT = datetime(2026, 1, 20, 2, tzinfo=UTC)


def heads(yard):
    """Every root in a checkpoint that lies anywhere in the home, by log and size."""
    found = {}
    for name in ("events", "statements"):
        notes = [path.read_bytes() for path in (yard.home.log / name).glob("checkpoints/*") if path.suffix != ".new"]
        notes += [path.read_bytes() for path in (yard.home.log / name).glob("checkpoint") if path.is_file()]
        memory = Notary(yard.key_folder, []).memory(f"audit-pipelines/test/{name}")
        notes += [memory.note.encode()] if memory and memory.note else []
        for note in notes:
            head = open_checkpoint(note, [], name)
            found.setdefault((name, head.size), set()).add(head.root)
    return found


def one_root_a_size(yard):
    return all(len(roots) == 1 for roots in heads(yard).values())


def raw_statements(yard):
    head = open_checkpoint(read_checkpoint(yard.home.log / "statements"), [], "note")
    return entries(yard.home.log / "statements", head.size)


# --- founding -------------------------------------------------------------------------------------------------


def test_a_founded_log_is_empty_but_for_its_genesis(sealed_yard, reference):
    opened = sealed_yard.found()
    assert (opened.events.head().size, opened.events.head().root) == (0, reference.EMPTY)
    [line] = raw_statements(sealed_yard)
    assert opened.statements.head().root == reference.leaf(line)
    genesis = st.decode(line, "line")
    assert genesis == opened.ledger.genesis == sealed_yard.open().ledger.genesis
    assert (genesis.organisation, genesis.origin, genesis.at) == ("test", "audit-pipelines/test", AT)
    assert genesis.public_key == keys.text_of(keys.listing(sealed_yard.key_folder)[0])
    assert (genesis.months, genesis.sources, genesis.previous_events) == (12, {}, None)


def test_settings_give_the_origin_the_keys_and_the_policy(sealed_yard):
    sealed_yard.toml += (
        '[seal]\norigin = "audit.example/acme"\nkeys = "../elsewhere"\n[retention]\nmonths = 6\nsources = {b = 3, a = 24}\n'
    )
    sealed_yard.make_key()
    genesis = sealed_yard.found().ledger.genesis
    assert (genesis.origin, genesis.months, list(genesis.sources.items())) == ("audit.example/acme", 6, [("a", 24), ("b", 3)])
    assert (sealed_yard.root.parent / "elsewhere" / "memory").is_dir()
    assert sealed_yard.open().events.head().origin == "audit.example/acme/events"


def test_a_home_without_a_log_has_none(sealed_yard):
    before = sealed_yard.tree()
    assert sealed.open_log(sealed_yard.home, sealed_yard.settings) is None
    assert sealed.read_ledger(sealed_yard.home) is None
    assert sealed_yard.tree() == before


def test_without_a_key_nothing_is_founded(sealed_yard):
    shutil.rmtree(sealed_yard.key_folder)
    with pytest.raises(SealError, match=r"keys: there is no signing key \(make one with: audit-pipelines keys new\)"):
        sealed_yard.found()
    assert sealed_yard.tree() == {}


def test_with_two_keys_nothing_is_founded(sealed_yard):
    sealed_yard.make_key(b"\x02")
    with pytest.raises(SealError, match="2 keys, and none is in force yet"):
        sealed_yard.found()
    assert not sealed_yard.home.log.exists()


def test_a_log_is_founded_once(sealed_yard):
    sealed_yard.found()
    before = sealed_yard.tree()
    with pytest.raises(SealError, match="there is a log already"):
        sealed_yard.found()
    assert sealed_yard.tree() == before


def test_a_log_that_was_deleted_is_not_founded_again(sealed_yard):
    sealed_yard.add(3)
    sealed_yard.night()
    shutil.rmtree(sealed_yard.home.log)
    with pytest.raises(SealError, match="refused to sign audit-pipelines/test/events at 0: the log shrank from 3 to 0"):
        sealed_yard.found()


@pytest.mark.parametrize("name", ["events", "statements"])
def test_a_checkpoint_that_was_deleted_is_no_reason_to_begin_again(sealed_yard, name):
    sealed_yard.add(3)
    sealed_yard.night()
    (sealed_yard.home.log / name / "checkpoint").unlink()
    sealed_yard.add(2)
    before = sealed_yard.tree()
    with pytest.raises(EvidenceError, match=rf"log/{name}/checkpoint: no checkpoint, though the log was signed at "):
        sealed_yard.night()
    assert sealed_yard.tree() == before


def test_a_new_log_after_a_loss_names_the_last_checkpoints(sealed_yard):
    sealed_yard.add(3)
    sealed_yard.night()
    notes = [read_checkpoint(sealed_yard.home.log / name).decode() for name in ("events", "statements")]
    old = {name: data for name, data in sealed_yard.tree().items() if name.startswith("log/")}
    assert sealed.set_aside(sealed_yard.home).name == "log.1"
    genesis = st.Genesis(
        at=AT,
        organisation="test",
        origin="audit-pipelines/test/log2",
        public_key=keys.text_of(keys.listing(sealed_yard.key_folder)[0]),
        months=12,
        sources={},
        previous_events=notes[0],
        previous_statements=notes[1],
    )
    sealed.found_with(sealed_yard.home, sealed_yard.settings, genesis)
    sealed_yard.night()
    opened = sealed_yard.open()
    assert [opened.ledger.genesis.previous_events, opened.ledger.genesis.previous_statements] == notes
    assert opened.events.head().origin == "audit-pipelines/test/log2/events"
    assert opened.events.head().head == open_checkpoint(notes[0].encode(), [], "note").head
    now = sealed_yard.tree()
    assert all(now[name.replace("log/", "log.1/", 1)] == data for name, data in old.items())
    assert sealed.set_aside(sealed_yard.home).name == "log.2"


# --- batches --------------------------------------------------------------------------------------------------


def test_a_batch_is_its_lines_and_one_statement(sealed_yard, reference):
    batch = sealed_yard.add(3, 4)
    sealed_yard.night()
    opened = sealed_yard.open()
    wanted = [leaf(line, "line") for line in sealed_yard.lines]
    assert opened.events.head().head == (7, reference.mth(wanted))
    index, item = opened.ledger.batches()[1]
    assert (index, item.seq, item.run_id, item.code, item.late, item.rejects) == (1, 1, "run-1", "0.0.0", 0, 0)
    assert item.events == st.Range(first=0, size=7, root=base64.b64encode(reference.mth(wanted)).decode())
    path = sealed_yard.home.batch(1)
    assert item.manifest == st.Digested(path="batches/000001.json", sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert (item.oldest, item.newest) == (batch.evidence[0].oldest, batch.evidence[1].newest)
    assert opened.checkpoint_of(1) == (1, read_checkpoint(opened.statements.folder, 2))


def test_several_old_batches_are_sealed_in_order(sealed_yard, reference):
    for counts in ([2], [300, 1], [5]):
        sealed_yard.add(*counts)
    sealed_yard.night()
    opened = sealed_yard.open()
    assert checkpoint_sizes(opened.events.folder) == [0, 2, 303, 308]
    assert checkpoint_sizes(opened.statements.folder) == [1, 2, 3, 4]
    wanted = [leaf(line, "line") for line in sealed_yard.lines]
    for _, item in opened.ledger.batches().values():
        assert base64.b64decode(item.events.root) == reference.mth(wanted[: item.events.size])
    assert [item.seq for _, item in opened.ledger.batches().values()] == [1, 2, 3]


def test_a_batch_without_events_is_stated_and_adds_no_leaf(sealed_yard):
    sealed_yard.add(2)
    sealed_yard.add()
    sealed_yard.add(1)
    sealed_yard.night()
    opened = sealed_yard.open()
    ranges = {seq: (item.events.first, item.events.size) for seq, (_, item) in opened.ledger.batches().items()}
    assert ranges == {1: (0, 2), 2: (2, 2), 3: (2, 3)}
    empty = opened.ledger.batches()[2][1]
    assert (empty.oldest, empty.newest) == (None, None)
    assert empty.events.root == opened.ledger.batches()[1][1].events.root
    assert checkpoint_sizes(opened.events.folder) == [0, 2, 3]


def test_a_first_batch_may_be_empty(sealed_yard, reference):
    sealed_yard.add()
    sealed_yard.night()
    item = sealed_yard.open().ledger.batches()[1][1]
    assert item.events == st.Range(first=0, size=0, root=base64.b64encode(reference.EMPTY).decode())


def test_sealing_again_changes_nothing(sealed_yard):
    sealed_yard.add(3)
    sealed_yard.night()
    before = {path: path.stat().st_mtime_ns for path in sealed_yard.home.log.rglob("*")}
    sealed_yard.night()
    assert before == {path: path.stat().st_mtime_ns for path in sealed_yard.home.log.rglob("*")}


def test_conflicts_are_stated_with_their_batch(sealed_yard):
    batch = sealed_yard.add(3)
    pairs = [(number, None if number % 7 == 0 else number - 1) for number in range(2500)]
    sealed_yard.found().seal(batch, pairs)
    opened = sealed_yard.open()
    kinds = [type(item).__name__ for item in opened.ledger.statements]
    assert kinds == ["Genesis", "Batch", "Conflict", "Conflict", "Conflict"]
    stated = [pair for item in opened.ledger.statements[2:] for pair in item.leaves]
    assert stated == pairs
    assert checkpoint_sizes(opened.statements.folder) == [1, 5], "one checkpoint for all of them"
    assert opened.checkpoint_of(1)[1] == read_checkpoint(opened.statements.folder, 5)


@pytest.mark.parametrize("seq", [1, 3])
def test_only_the_next_batch_can_be_sealed(sealed_yard, seq):
    for count in (2, 0, 0):
        sealed_yard.add(count) if count else sealed_yard.add()
    opened = sealed_yard.found()
    opened.seal(sealed_yard.batches[0])
    before = sealed_yard.tree()
    with pytest.raises(SealError, match=rf"batches/00000{seq}.json: batch {seq} cannot be sealed, batch 2 is the next"):
        opened.seal(sealed_yard.batches[seq - 1])
    assert sealed_yard.tree() == before


def test_a_batch_that_leaves_a_gap_is_refused(sealed_yard):
    sealed_yard.add(2)
    opened = sealed_yard.found()
    opened.seal(sealed_yard.batches[0])
    other = sealed_yard.add(2)
    with pytest.raises(SealError, match="batch 2 holds leaves 3 to 5, the log ends at 2"):
        opened.seal(msgspec.structs.replace(other, first=3, size=5))


def test_the_newest_token_is_named_by_the_next_batch(sealed_yard):
    sealed_yard.add(1)
    sealed_yard.night()
    folder = sealed.anchors(sealed_yard.home)
    folder.mkdir()
    for size, content in ((2, b"newer"), (1, b"older")):
        (folder / f"{size}.tsr").write_bytes(content)
    (folder / "2.cosig").write_bytes(b"x")
    sealed_yard.add(1)
    sealed_yard.night()
    batches = sealed_yard.open().ledger.batches()
    assert batches[1][1].previous_token_sha256 is None
    assert batches[2][1].previous_token_sha256 == hashlib.sha256(b"newer").hexdigest()


def test_a_batch_that_is_not_sealed_has_no_checkpoint(sealed_yard):
    with pytest.raises(EvidenceError, match="batch 1: the batch is not sealed"):
        sealed_yard.found().checkpoint_of(1)


# --- evidence that does not fit -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x00"),
            r"SHA-256 is [0-9a-f]{64}, the manifest says [0-9a-f]{64}",
        ),
        (lambda path: path.write_bytes(b""), "SHA-256 is e3b0c442"),
        (lambda path: path.unlink(), "cannot be read: No such file"),
    ],
    ids=["changed", "emptied", "gone"],
)
@pytest.mark.parametrize("which", [0, 1])
def test_altered_evidence_is_refused_before_it_is_sealed(sealed_yard, alter, says, which):
    batch = sealed_yard.add(300, 300)
    path = sealed_yard.root / batch.evidence[which].path
    good = path.read_bytes()
    opened = sealed_yard.found()
    alter(path)
    with pytest.raises(SealError, match=rf"{path}: {says}"):
        opened.seal(batch)
    assert checkpoint_sizes(opened.events.folder) == [0]
    assert list(sealed_yard.open().ledger.batches()) == []
    path.write_bytes(good)
    sealed_yard.night()
    assert sealed_yard.open().events.head().size == 600


def test_a_file_with_fewer_lines_than_its_manifest_says_is_refused(sealed_yard):
    batch = sealed_yard.add(3)
    wrong = msgspec.structs.replace(batch, size=4, evidence=(msgspec.structs.replace(batch.evidence[0], count=4),))
    with pytest.raises(SealError, match="3 lines, the manifest says 4"):
        sealed_yard.found().seal(wrong)
    assert sealed_yard.open().events.head().size == 0


# --- keys -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["gone", "damaged", "another"])
def test_without_its_key_a_home_seals_nothing_and_replaces_nothing(sealed_yard, lost):
    sealed_yard.add(2)
    sealed_yard.night()
    [path] = sealed_yard.key_folder.glob("*.pem")
    sealed_yard.make_key(b"\x02")
    other = next(item for item in sealed_yard.key_folder.glob("*.pem") if item != path)
    if lost == "gone":
        path.unlink()
    else:
        path.write_bytes(b"damaged" if lost == "damaged" else other.read_bytes())
    sealed_yard.add(2)
    before = sealed_yard.tree()
    says = {
        "gone": "is missing; nothing was sealed, and no other key",
        "damaged": "nothing was sealed",
        "another": "holds another key",
    }
    with pytest.raises(SealError, match=says[lost]) as caught:
        sealed_yard.night()
    assert str(path) in str(caught.value)
    assert sealed_yard.tree() == before


def test_two_keys_sign_while_both_are_in_force(sealed_yard):
    first = keys.text_of(keys.listing(sealed_yard.key_folder)[0])
    sealed_yard.add(1)
    sealed_yard.night()
    second = keys.text_of(sealed_yard.make_key(b"\x02").public)
    sealed_yard.open().state(st.Key(at=AT, action="add", public_key=second, reason="a year is over"))
    sealed_yard.add(1)
    sealed_yard.night()
    signers = {keys.text_of(key.public) for key in sealed_yard.open().events.head().signers}
    assert signers == {first, second}
    sealed_yard.open().state(st.Key(at=AT, action="retire", public_key=first, reason="a year is over"))
    (sealed_yard.key_folder / f"{keys.fingerprint(keys.public_of(first, ''))[:16]}.pem").unlink()
    sealed_yard.add(1)
    sealed_yard.night()
    head = sealed_yard.open().events.head()
    assert (head.size, [keys.text_of(key.public) for key in head.signers]) == (3, [second])


def test_a_signature_that_fails_is_made_up_for_by_the_next_run(sealed_yard):
    """The statement that was begun is the one that is sealed: the notary remembers it."""
    sealed_yard.add(2)
    sealed_yard.night()
    opened = sealed_yard.open()
    [path] = sealed_yard.key_folder.glob("*.pem")
    hidden = path.rename(path.with_suffix(".away"))
    with pytest.raises(SealError, match="the signing key cannot be read"):
        opened.state(st.Incident(at=AT, kind="other", text="one"))
    with pytest.raises(SealError, match="statements before these are not sealed yet"):
        opened.state(st.Incident(at=AT, kind="other", text="two"))
    hidden.rename(path)
    again = sealed_yard.open()
    again.state(st.Incident(at=AT, kind="other", text="two"))
    assert [item.text for item in again.ledger.statements[2:]] == ["one", "two"]
    assert sealed_yard.open().ledger == again.ledger


# --- deaths ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sealed_before", [[], [2, 250]], ids=["a first night", "a later night"])
def test_a_death_at_any_step_of_a_night_changes_nothing_in_the_end(sealed_yard, deaths, dying, tmp_path, sealed_before):
    for count in sealed_before:
        sealed_yard.add(count)
    if sealed_before:
        sealed_yard.night()
    sealed_yard.add(3, 4)
    sealed_yard.add()
    whole = sealed_yard.moved(tmp_path / "whole")
    whole.night()
    wanted = whole.tree()
    counted = sealed_yard.moved(tmp_path / "counted")
    steps = list(deaths(counted.night))
    chance = random.Random(2)
    for step in steps:
        yard = sealed_yard.moved(tmp_path / str(step))
        assert dying(yard.night, step)[0] == signal.SIGKILL
        assert one_root_a_size(yard)
        if step % 4 == 0:
            dying(yard.night, chance.randrange(1, len(steps)))
            assert one_root_a_size(yard)
        yard.night()
        assert yard.tree() == wanted, step
        shutil.rmtree(yard.root)
    assert heads(whole) == heads(counted)


def test_a_founding_that_was_killed_goes_on_with_the_same_genesis(sealed_yard, dying):
    dying(sealed_yard.found, 10)
    begun = (sealed_yard.home.log / "statements" / "pending").read_bytes()
    with pytest.raises(SealError, match="there is a log already"):
        sealed.found_log(sealed_yard.home, sealed_yard.settings, datetime(2030, 1, 1, tzinfo=UTC))
    assert sealed_yard.open().ledger.genesis.at == AT
    assert b"0\n" + raw_statements(sealed_yard)[0] + b"\n" == begun


# --- damage ---------------------------------------------------------------------------------------------------


def test_statements_that_do_not_give_the_root_are_refused(sealed_yard):
    sealed_yard.add(2)
    sealed_yard.night()
    path = sealed_yard.home.log / "statements/tile/entries/000.p/2"
    path.write_bytes(path.read_bytes().replace(b"run-1", b"run-7"))
    with pytest.raises(EvidenceError, match="log/statements: the statements do not give the checkpoint's root"):
        sealed_yard.night()


def test_a_head_that_others_signed_is_refused(sealed_yard):
    """A log rewritten in full, statements, tiles and checkpoint, with another key under the same name."""
    sealed_yard.add(2)
    sealed_yard.night()
    forged = sealed_yard.moved(sealed_yard.root.parent / "forged")
    shutil.rmtree(forged.home.log)
    shutil.rmtree(forged.key_folder)
    forged.make_key(b"\x09")
    forged.night()
    shutil.rmtree(sealed_yard.home.log)
    shutil.copytree(forged.home.log, sealed_yard.home.log)
    sealed_yard.add(2)
    with pytest.raises(SealError, match="is missing; nothing was sealed"):
        sealed_yard.night()


def test_statements_slipped_in_with_a_key_of_ones_own_get_no_signature(sealed_yard):
    """The forger goes on from the true statements: a key of his is added, signs, and is retired.

    By the statements his key was a trusted one when it signed, and the new tree extends the old one. But our
    key has not signed it.
    """
    sealed_yard.add(2)
    sealed_yard.night()
    thief = keys.make(sealed_yard.root.parent / "thief", lambda count: b"\x09" * count)
    log = sealed_yard.open().statements
    folder = log.folder
    shutil.copytree(sealed_yard.key_folder / "memory", thief.path.parent / "memory")
    notary = Notary(thief.path.parent, [thief])
    stated = [st.Key(at=AT, action=action, public_key=keys.text_of(thief.public), reason="") for action in ("add", "retire")]
    append(Log(folder, log.origin, notary, [*log.trusted, thief.public], log.staging), [st.encode(item) for item in stated])
    opened = sealed_yard.open()
    assert [key.public for key in opened.statements.head().signers] == [thief.public]
    with pytest.raises(SealError, match=r"signed audit-pipelines/test/statements at 2, but its newest checkpoint is of 4"):
        opened.state(st.Incident(at=AT, kind="other", text="ours"))
