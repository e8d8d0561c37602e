"""A run that dies at any step of publication leaves the old home or the new one; the next run makes them equal."""

from audit_pipelines.lake import chunks, commit


def first_night(lake):
    lake.run([lake.record(f"e{n}", 5 + n % 3, n) for n in range(12)] + [b"junk"], asked=[5, 6])


def second_night(lake):
    late = [lake.record("late", 5), lake.record("e0", 5, v=1), lake.record(None, 6), b"more junk"]
    lake.run([lake.record(f"e{n}", 5 + n % 3, n) for n in range(12)], late, asked=[7])


def test_dying_at_any_step_and_running_again_gives_the_same_bytes(new_lake, dying, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_LINES", 3)
    whole = new_lake()
    first_night(whole)
    before = whole.tree()
    steps = dying(10**9, lambda: second_night(whole))
    expected = whole.tree()
    assert steps > 20
    committed = 0
    for step in range(1, steps + 1):
        lake = new_lake()
        first_night(lake)
        assert dying(step, lambda lake=lake: second_night(lake)) == step
        batches = lake.batches()
        committed += len(batches) == 2
        removed = commit.recover(lake.home, batches)
        assert lake.tree() == (before if len(batches) == 1 else expected), step
        assert not (removed and len(batches) == 2)
        second_night(lake)
        assert lake.tree() == expected, step
        assert list(lake.home.staging.iterdir()) == []
    assert 0 < committed < steps


def test_dying_while_clearing_up_is_cleared_up_by_the_next(lake, dying):
    first_night(lake)
    before = lake.tree()
    calls = dying(10**9, lambda: None)
    assert calls == 0
    for at in range(10, 30):  # somewhere among the renames of the files
        dying(at, lambda: second_night(lake))
        if lake.tree() != before:
            break
    assert len(lake.batches()) == 1
    dying(2, lambda: commit.recover(lake.home, lake.batches()))
    commit.recover(lake.home, lake.batches())
    assert lake.tree() == before


def test_an_intent_can_only_name_files_of_the_lake(lake):
    first_night(lake)
    outside = lake.home.root.parent / "precious"
    outside.write_bytes(b"x")
    settings = lake.home.root / "audit.toml"
    settings.write_bytes(b"x")
    (lake.home.state / "intent.json").write_text(f'["{outside}", "../precious", "evidence/../../precious", "audit.toml"]')
    assert commit.recover(lake.home, lake.batches()) == []
    assert outside.exists()
    assert settings.exists()
