"""Runs, erasures, purges and lost caches in any order, against a model of a few lines."""

import shutil
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_pipelines.lake import chunks, erase, erased, purge
from audit_pipelines.lake.inspect import inspect
from audit_pipelines.removal import removals
from audit_pipelines.retention import Policy

IDS = "abcdef"
RECORDS = st.tuples(st.sampled_from(IDS), st.integers(5, 8), st.integers(0, 1))
"""(id, day, variant)"""
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.lists(RECORDS, max_size=8)),
        st.tuples(st.just("erase"), st.integers(0, 30)),
        st.tuples(st.just("purge"), st.integers(5, 9)),
        st.tuples(st.just("lose"), st.none()),
    ),
    max_size=9,
)


class Model:
    """What should be there: uid -> (id, day, variant), and what is refused."""

    def __init__(self):
        self.there, self.erased, self.purged = {}, set(), set()

    def take(self, entry):
        """Where one record goes."""
        name, day, _ = entry
        if name in self.erased:
            return "erased"
        if day in self.purged:
            return "expired"
        kin = {uid: stored for uid, stored in self.there.items() if stored[0] == name}
        if entry in kin.values():
            return "duplicates"
        numbers = [int(uid.partition("~")[2] or 1) for uid in kin]
        self.there[f"src/{name}" + (f"~{max(numbers) + 1}" if numbers else "")] = entry
        return "events"


def run(lake, model, entries):
    expected = dict.fromkeys(("events", "duplicates", "erased", "expired"), 0)
    for entry in entries:
        expected[model.take(entry)] += 1
    outcome = lake.run([lake.record(name, day, v=variant) for name, day, variant in entries])
    (result,) = outcome.sources
    assert {way: getattr(result, way) for way in expected} == expected
    assert (outcome.batch is None) == (expected["events"] == 0)


def erase_one(lake, model, number):
    if not model.there:
        return
    uid = sorted(model.there)[number % len(model.there)]
    digest = erased.digester(erased.own_key(lake.home, removals(lake.home)))
    made = erase.erase(
        lake.home, lake.batches(), [uid], at=datetime(2026, 2, 1, tzinfo=UTC), ground="g", approver="a", digest=digest,
        dialect_of=lambda name: lake.dialect,
    )  # fmt: skip
    erase.delete(lake.home, made)
    model.erased.add(model.there.pop(uid)[0])


def purge_before(lake, model, day):
    at = datetime(2027, 1, day, tzinfo=UTC)
    made = purge.plan(lake.home, lake.batches(), Policy(months=12), at, lambda source, day: False)
    gone = {uid for uid, entry in model.there.items() if entry[1] < day}
    assert made.events == len(gone)
    if made.removal:
        purge.commit_removal(lake.home, made.removal)
        purge.delete(lake.home, made.removal)
    model.purged |= {day.day for day in made.days}
    for uid in gone:
        del model.there[uid]


@pytest.mark.parametrize("lines", [2, 100])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_order_of_runs_and_removals(new_lake, lines, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_LINES", lines)
        lake, model = new_lake(), Model()
        for what, value in steps:
            if what == "run":
                run(lake, model, value)
            elif what == "erase":
                erase_one(lake, model, value)
            elif what == "purge":
                purge_before(lake, model, value)
            else:
                shutil.rmtree(lake.home.state / "ids", ignore_errors=True)
        assert sorted(lake.uids()) == sorted(model.there)
        batches = lake.batches()
        assert [problem for n, batch in enumerate(batches) for problem in inspect(lake.home, batch, batches[:n])] == []
        on_disk = {
            lake.home.relative(path)
            for top in ("evidence", "events")
            for path in (lake.home.root / top).rglob("*.*")
            if path.is_file()
        }
        assert on_disk == {name for file in lake.files() for name in (file.path, file.events)}
