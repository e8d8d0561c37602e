-- question: Which people changed configuration, billing or API keys outside working hours?
-- severity: low
-- controls: SOC2 CC8.1; SOC2 CC7.2; ISO A.8.2; ISO A.8.16; PCI 10.4.1
-- lookback: 1
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: timezone text = UTC: IANA name of the zone in which hours and weekdays are read
-- parameter: work_start integer = 7: first hour of work, 0 to 23
-- parameter: work_end integer = 20: hour in which work has ended, 1 to 24
-- parameter: work_days text = 1,2,3,4,5: ISO weekdays of work, Monday = 1, with commas
-- runbook: Look for a change ticket or an on-call duty that covers window_start to window_end.
-- runbook: Read field, before and after of each change (query activity/configuration_changes).
-- runbook: Without a ticket, ask the actor by another channel and undo what nobody wanted.

WITH administration AS (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source,
        coalesce(actor_id, actor_email, actor_name) AS actor,
        action,
        occurred_at,
        uid,
        timezone($timezone, occurred_at) AS local_time -- follows the zone's summer time
    FROM events
    WHERE
        occurred_at >= $since
        AND occurred_at < $until
        AND (category IN ('configuration', 'billing') OR action LIKE 'api\_key.%' ESCAPE '\')
        AND actor_type = 'user'
        AND outcome <> 'failure'
        AND coalesce(actor_id, actor_email, actor_name) IS NOT NULL
)

SELECT
    day,
    actor AS subject,
    min(occurred_at) AS window_start,
    max(occurred_at) AS window_end,
    count(*)::DOUBLE AS score,
    format(
        '{} made {} administrative change(s) at {} outside {}:00 to {}:00 {}; the first is {}.',
        actor, count(*), source, $work_start, $work_end, $timezone, min_by(action, (occurred_at, uid))
    ) AS summary,
    min_by(uid, (occurred_at, uid), 100) AS uids,
    count(*) AS evidence_count
FROM administration
WHERE
    hour(local_time) < $work_start
    OR hour(local_time) >= $work_end
    OR NOT list_contains(string_split($work_days, ','), isodow(local_time)::VARCHAR)
GROUP BY day, source, actor
ORDER BY day, subject, window_start, summary
