-- question: Who did one thing far more often than on the days before?
-- severity: medium
-- controls: SOC2 CC7.2; ISO A.8.16; PCI 10.4.1
-- lookback: 28
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: threshold number = 8: fewest robust standard deviations above the median
-- parameter: minimum_count integer = 50: fewest events of that actor and action on the day
-- parameter: minimum_days integer = 14: on how many of the 28 days before the actor must have done it (no finding before)
-- runbook: Read target_id and source_ip of the evidence: one target over and over is a script, many targets a harvest.
-- runbook: Ask the actor, or the owner of the API key, what ran on that day.
-- runbook: If nobody can explain it, revoke api_key_id or end session_id and keep the evidence.

WITH daily AS MATERIALIZED (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source,
        coalesce(actor_id, actor_email, actor_name) AS actor,
        action,
        count(*) AS events
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 28 DAYS
        AND occurred_at < $until
        AND coalesce(actor_id, actor_email, actor_name) IS NOT NULL
    GROUP BY ALL
),

-- Only a series that reached the smallest count on a day asked for can hold a hit.
candidates AS (
    SELECT source, actor, action
    FROM daily
    WHERE events >= $minimum_count AND day >= make_timestamp(epoch_us($since))::DATE
    GROUP BY ALL
),

baselines AS (
    SELECT
        day,
        source,
        actor,
        action,
        events,
        count(*) OVER before AS days,
        median(events) OVER before AS middle,
        mad(events) OVER before AS deviation
    FROM daily
    INNER JOIN candidates USING (source, actor, action)
    WINDOW before AS (
        PARTITION BY source, actor, action
        ORDER BY day
        RANGE BETWEEN INTERVAL 28 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
    )
),

scored AS (
    SELECT
        day,
        source,
        actor,
        action,
        events,
        middle,
        -- 1.4826 makes the MAD a standard deviation for normal data; a count varies by at least its
        -- square root, so a steady series does not turn small steps into findings.
        (events - middle) / greatest(1.4826 * deviation, sqrt(middle), 1) AS score
    FROM baselines
    WHERE
        events >= $minimum_count
        AND days >= $minimum_days
        AND day >= make_timestamp(epoch_us($since))::DATE
),

hits AS MATERIALIZED (SELECT * FROM scored WHERE score >= $threshold)

SELECT
    hits.day,
    hits.actor AS subject,
    min(events.occurred_at) AS window_start,
    max(events.occurred_at) AS window_end,
    round(hits.score, 2) AS score,
    format(
        '{} did {} {} times at {}; the median of the days before is {:.1f}.',
        hits.actor, hits.action, hits.events, hits.source, hits.middle
    ) AS summary,
    min_by(events.uid, (events.occurred_at, events.uid), 100) AS uids,
    count(*) AS evidence_count
FROM events
INNER JOIN hits
    ON
        coalesce(events.actor_id, events.actor_email, events.actor_name) = hits.actor
        AND events.action = hits.action
        AND events.source = hits.source
        AND make_timestamp(epoch_us(events.occurred_at))::DATE = hits.day
WHERE events.occurred_at >= $since AND events.occurred_at < $until
GROUP BY hits.day, hits.source, hits.actor, hits.action, hits.events, hits.middle, hits.score
ORDER BY hits.day, subject, window_start, window_end, summary
