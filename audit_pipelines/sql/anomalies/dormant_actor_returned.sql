-- question: Which people came back after a long silence?
-- severity: medium
-- controls: SOC2 CC6.2; SOC2 CC7.2; ISO A.8.16
-- lookback: 120
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: silent_days integer = 45: fewest days without an event before the return, at most 118
-- runbook: Ask the people office whether the actor still works here and was away (leave, other duties).
-- runbook: Compare source_ip and user_agent with the last events before the silence.
-- runbook: If nobody can explain it, remove the seat, revoke the actor's API keys and read the evidence.

WITH daily AS MATERIALIZED (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source,
        coalesce(actor_id, actor_email, actor_name) AS actor
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 120 DAYS
        AND occurred_at < $until
        AND actor_type IN ('user', 'unknown')
        AND outcome <> 'failure' -- a stranger's failures must not wake the account up
        AND coalesce(actor_id, actor_email, actor_name) IS NOT NULL
    GROUP BY ALL
),

returns AS (
    SELECT
        day,
        source,
        actor,
        -- Days wholly without an event; NULL for an actor never seen before.
        day - lag(day) OVER (PARTITION BY source, actor ORDER BY day) - 1 AS silent
    FROM daily
),

hits AS MATERIALIZED (
    SELECT day, source, actor, silent
    FROM returns
    WHERE silent BETWEEN $silent_days AND 119 AND day >= make_timestamp(epoch_us($since))::DATE
)

SELECT
    hits.day,
    hits.actor AS subject,
    min(events.occurred_at) AS window_start,
    max(events.occurred_at) AS window_end,
    hits.silent::DOUBLE AS score,
    format('{} acted {} time(s) at {} after {} days without an event.', hits.actor, count(*), hits.source, hits.silent) AS summary,
    min_by(events.uid, (events.occurred_at, events.uid), 100) AS uids,
    count(*) AS evidence_count
FROM events
INNER JOIN hits
    ON
        coalesce(events.actor_id, events.actor_email, events.actor_name) = hits.actor
        AND events.source = hits.source
        AND make_timestamp(epoch_us(events.occurred_at))::DATE = hits.day
WHERE
    events.occurred_at >= $since
    AND events.occurred_at < $until
    AND events.actor_type IN ('user', 'unknown')
    AND events.outcome <> 'failure'
GROUP BY hits.day, hits.source, hits.actor, hits.silent
ORDER BY hits.day, subject, window_start, summary
