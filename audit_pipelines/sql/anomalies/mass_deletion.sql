-- question: Who removed many guardrails, integrations or other settings in a short time?
-- severity: critical
-- controls: SOC2 CC7.2; SOC2 CC8.1; ISO A.8.16; PCI 10.2.1.7
-- lookback: 1
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: window_minutes integer = 60: length of the sliding window, at most 1440
-- parameter: threshold integer = 5: fewest removals by one actor in one window
-- runbook: Ask the actor and their manager at once whether the removal was planned (ticket, migration).
-- runbook: If not, end session_id or revoke api_key_id, then restore target_id by target_id from the evidence.
-- runbook: Check which reviews ran without the guardrails between window_start and the restoration.

WITH removals AS MATERIALIZED (
    SELECT
        uid,
        occurred_at,
        source,
        coalesce(actor_id, actor_email, actor_name) AS actor,
        coalesce(target_type, '') || ':' || target_id AS target -- NULL where the source names none
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 1 DAY
        AND occurred_at < $until
        AND category = 'configuration'
        AND regexp_matches(action, 'delete|destroy|remove|disconnect', 'i') -- sources name it differently
        AND outcome <> 'failure'
        AND coalesce(actor_id, actor_email, actor_name) IS NOT NULL
),

windows AS (
    SELECT
        source,
        actor,
        occurred_at,
        min(occurred_at) OVER recent AS first_at,
        count(*) OVER recent AS removals
    FROM removals
    WINDOW recent AS (
        PARTITION BY source, actor
        ORDER BY occurred_at
        RANGE BETWEEN to_minutes($window_minutes) PRECEDING AND CURRENT ROW
    )
),

-- One hit an actor and day: from the first full window to the last.
hits AS (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source,
        actor,
        min(first_at) AS window_start,
        max(occurred_at) AS window_end,
        max(removals) AS peak
    FROM windows
    WHERE removals >= $threshold AND occurred_at >= $since
    GROUP BY ALL
)

SELECT
    hits.day,
    hits.actor AS subject,
    hits.window_start,
    hits.window_end,
    hits.peak::DOUBLE AS score,
    format(
        '{} removed {} setting(s), {} different, at {}, up to {} within {} minutes.',
        hits.actor, count(*), count(DISTINCT removals.target), hits.source, hits.peak, $window_minutes
    ) AS summary,
    min_by(removals.uid, (removals.occurred_at, removals.uid), 100) AS uids,
    count(*) AS evidence_count
FROM hits
INNER JOIN removals
    ON
        hits.source = removals.source
        AND hits.actor = removals.actor
        AND removals.occurred_at BETWEEN hits.window_start AND hits.window_end
GROUP BY hits.day, hits.source, hits.actor, hits.window_start, hits.window_end, hits.peak
ORDER BY hits.day, subject, hits.window_start, summary
