"""The changes fit together: nothing is changed that is not there, no key is used that is revoked."""

from collections import Counter


def _of(seen, *kinds):
    return [event for event in seen if event.type in kinds]


def test_no_guardrail_is_changed_before_it_is_made_or_after_it_is_deleted(seen):
    deleted: set[str] = set()
    touched: set[str] = set()
    states: dict[str, dict] = {}
    for event in _of(seen, "guardrail.created", "guardrail.updated", "guardrail.deleted"):
        assert event.target not in deleted, event
        if event.type == "guardrail.created":
            assert event.target not in touched, event
            assert event.before is None
        else:
            assert event.before == states.get(event.target, event.before), event
        touched.add(event.target)
        if event.after is None:
            deleted.add(event.target)
        else:
            states[event.target] = event.after
    assert deleted
    assert touched > deleted


def test_no_key_is_used_before_it_is_made_or_after_it_is_revoked(seen):
    made = {event.target for event in _of(seen, "api_key.created")}
    alive, revoked, used = set(), set(), set()
    for event in seen:
        if event.type == "api_key.created":
            alive.add(event.target)
        if event.key is not None:
            used.add(event.key)
            assert event.key not in revoked, event
            assert event.key in alive or event.key not in made, event
        if event.type == "api_key.revoked":
            assert event.target not in revoked
            revoked.add(event.target)
    assert revoked & used, "some revoked key was in use before"
    assert made & used, "some new key was used"


def test_a_service_account_always_has_a_key_and_changes_it(demo, seen):
    keys: dict[str, set] = {}
    services = {service.actor.id for service in demo.organisation.services}
    for event in seen:
        if event.actor in services:
            keys.setdefault(event.actor, set()).add(event.key)
    assert keys.keys() == services
    assert all(None not in found and "" not in found for found in keys.values())
    assert all(len(found) > 1 for found in keys.values())


def test_people_act_only_while_they_have_a_seat(demo, seen):
    added = {event.target: event.at for event in _of(seen, "seat.added")}
    removed = {event.target: event.at for event in _of(seen, "seat.removed")}
    assert added
    assert removed
    assert not added.keys() & removed.keys()
    for event in seen:
        assert event.at > added.get(event.actor, ""), event
        assert event.at < removed.get(event.actor, "9999"), event
    active = {event.actor for event in seen}
    assert added.keys() & active, "somebody who joined has worked"


def test_seats_are_counted_on(seen):
    held = None
    for event in _of(seen, "seat.added", "seat.removed"):
        assert held is None or event.before["seats_used"] == held
        held = event.after["seats_used"]
        assert held - event.before["seats_used"] == (1 if event.type == "seat.added" else -1)


def test_an_integration_is_disconnected_once(seen):
    gone = Counter(event.target for event in _of(seen, "integration.disconnected"))
    assert set(gone.values()) == {1}


def test_a_session_has_one_person_and_one_address_but_for_the_stolen_ones(demo, seen):
    sessions: dict[str, set] = {}
    for event in seen:
        if event.session:
            sessions.setdefault(event.session, set()).add((event.actor, event.address))
    moved = [session for session, places in sessions.items() if len(places) > 1]
    assert len(moved) == sum(incident.kind == "session_moved" for incident in demo.incidents) > 0


def test_reviews_end_after_they_begin(demo, seen):
    begun = {event.target: event.at for event in _of(seen, "review.triggered")}
    ended = {event.target: event.at for event in _of(seen, "review.completed")}
    both = begun.keys() & ended.keys()
    assert len(both) > 0.9 * len(begun)
    assert all(begun[review] < ended[review] for review in both)
