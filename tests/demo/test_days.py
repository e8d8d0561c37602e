"""What the days look like: types, sizes, rhythm, addresses, names."""

import ipaddress
import json
from collections import Counter
from datetime import date, datetime
from statistics import mean, median

import pytest

TYPES = {
    "authentication.login",
    "authentication.logout",
    "api_key.created",
    "api_key.revoked",
    "review.triggered",
    "review.completed",
    "guardrail.created",
    "guardrail.updated",
    "guardrail.deleted",
    "integration.connected",
    "integration.disconnected",
    "plan.changed",
    "seat.added",
    "seat.removed",
    "drift_scan.initiated",
    "drift_scan.completed",
}
DOCUMENTATION = [ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]


def test_every_type_of_the_home_source_occurs_and_no_other(seen):
    assert {event.type for event in seen} == TYPES


def test_ids_are_unique_and_every_event_is_on_its_day(seen):
    assert len({event.id for event in seen}) == len(seen)
    assert all(event.at.startswith(f"{event.day}T") and event.at.endswith("Z") and len(event.at) == 27 for event in seen)


def test_records_are_in_order_of_time(demo):
    times = [made.occurred_at for made in demo.made(demo.last)]
    assert times == sorted(times)


def test_a_record_is_about_750_bytes(seen):
    assert 680 < mean(event.size for event in seen) < 800


def test_a_working_day_has_about_3000_events(seen):
    counts = Counter(event.day for event in seen)
    assert 2700 < median(count for day, count in counts.items() if day.weekday() < 5) < 3300
    assert all(count < 1000 for day, count in counts.items() if day.weekday() > 4)


@pytest.mark.parametrize("holiday", [date(2025, 12, 25), date(2026, 1, 1)])
def test_holidays_are_quiet(seen, holiday):
    assert sum(event.day == holiday for event in seen) < 1000


def test_a_working_day_has_three_to_fifteen_changes_by_everyday_work(demo, seen):
    loud = {incident.day for incident in demo.incidents if incident.kind in ("mass_deletion", "off_hours_administration")}
    kinds = ("guardrail.", "integration.")
    changes = Counter(event.day for event in seen if event.type.startswith(kinds))
    # Seats, keys and the day after a mass deletion, when guardrails are made again, come on top.
    usual = [changes[day] for day in demo.days() if day.weekday() < 5 and day not in loud and changes[day]]
    assert min(usual) >= 3
    assert median(usual) <= 12
    assert all(changes[day] == 0 for day in demo.days() if day.weekday() > 4 and day not in loud)


def test_addresses_are_documentation_addresses_in_canonical_text(seen):
    for text in {event.address for event in seen} - {None}:
        address = ipaddress.ip_address(text)
        assert str(address) == text
        assert any(address in net for net in DOCUMENTATION if net.version == address.version), text


def test_logins_have_outcomes_and_triggered_reviews_have_none(seen):
    outcomes = {(event.type, event.outcome) for event in seen}
    assert {("authentication.login", "success"), ("authentication.login", "failure")} <= outcomes
    assert ("review.triggered", None) in outcomes


def test_names_go_beyond_ascii_and_addresses_of_people_do_not(demo):
    people = demo.organisation.people
    assert sum(not person.actor.name.isascii() for person in people) > 20
    assert all(person.actor.email.isascii() and person.actor.email.endswith("@larkspur.example") for person in people)
    assert len({person.actor.email for person in people}) == len(people) == 76
    records = demo.records(demo.last)
    assert any(byte > 127 for record in records for byte in record), "letters stand as UTF-8, not as escapes"


def test_a_record_has_members_that_no_column_is_made_of(demo):
    event = json.loads(demo.records(demo.last)[0])
    assert event["schema_version"]
    assert set(event) >= {"id", "occurred_at", "org_id", "type", "actor", "targets", "context", "before", "after"}


def test_people_work_in_their_own_zone(demo, seen):
    offices = {person.actor.id: person.office.city for person in demo.organisation.people}
    hours: dict[str, list[int]] = {}
    for event in seen:
        if event.actor in offices and event.day.weekday() < 5:
            hours.setdefault(offices[event.actor], []).append(datetime.fromisoformat(event.at).hour)
    assert median(hours["Singapore"]) < median(hours["Pune"]) < median(hours["Hamburg"]) < median(hours["Boston"])


def test_reviews_by_service_accounts_are_most_of_the_log(demo, seen):
    services = {service.actor.id for service in demo.organisation.services}
    assert sum(event.actor in services and event.type.startswith("review.") for event in seen) > 0.6 * len(seen)
