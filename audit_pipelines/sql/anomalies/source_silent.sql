-- question: Which sources sent far fewer events than on the same weekday of the weeks before?
-- severity: high
-- controls: SOC2 CC7.2; ISO A.8.15; PCI 10.2.1.6; PCI 10.7.2
-- lookback: 56
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive; a day that is not over looks silent
-- parameter: share number = 0.1: below this share of the median a day is silent
-- parameter: minimum_events integer = 20: smallest median that says anything
-- parameter: minimum_weeks integer = 4: on how many of the 8 weekdays before the source must have sent events (no finding before)
-- runbook: Ask the source again for the day: audit-pipelines night --day with that day; late events fill it.
-- runbook: If it stays empty, ask its operator whether logging was off, and compare with their own count for the day.
-- runbook: Write the cause and the hours without a log down: no other rule can see what was not logged.

WITH counted AS MATERIALIZED (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source,
        count(*) AS events
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 56 DAYS
        AND occurred_at < $until
        AND source <> 'audit-pipelines' -- the access log: nobody must read
    GROUP BY ALL
),

-- Every source on every day: a day without an event has no row to be found by.
calendar AS (
    SELECT
        sources.source,
        days.day,
        coalesce(counted.events, 0) AS events
    FROM (SELECT DISTINCT counted.source FROM counted) AS sources
    CROSS JOIN (
        SELECT make_timestamp(epoch_us($since))::DATE - 56 + unnest(range(56 + date_diff('day', $since, $until)))::INTEGER AS day
    ) AS days
    LEFT JOIN counted ON sources.source = counted.source AND days.day = counted.day
),

baselines AS (
    SELECT
        source,
        day,
        events,
        median(events) OVER before AS middle,
        count(*) FILTER (WHERE events > 0) OVER before AS weeks
    FROM calendar
    WINDOW before AS (
        PARTITION BY source, isodow(day)
        ORDER BY day
        RANGE BETWEEN INTERVAL 56 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
    )
),

hits AS MATERIALIZED (
    SELECT *
    FROM baselines
    WHERE
        day >= make_timestamp(epoch_us($since))::DATE
        AND events < $share * middle
        AND middle >= $minimum_events
        AND weeks >= $minimum_weeks
)

SELECT
    hits.day,
    hits.source AS subject,
    timezone('UTC', hits.day::TIMESTAMP) AS window_start,
    timezone('UTC', hits.day::TIMESTAMP) + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND AS window_end,
    round(1 - hits.events / hits.middle, 4) AS score,
    format(
        'Source {} sent {} event(s); the median of the same weekday in the 8 weeks before is {:.1f}.',
        hits.source, hits.events, hits.middle
    ) AS summary,
    coalesce(min_by(evidence.uid, (evidence.occurred_at, evidence.uid), 100), []) AS uids,
    hits.events AS evidence_count
FROM hits
LEFT JOIN (
    SELECT uid, occurred_at, source
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
) AS evidence
    ON hits.source = evidence.source AND hits.day = make_timestamp(epoch_us(evidence.occurred_at))::DATE
GROUP BY hits.day, hits.source, hits.events, hits.middle
ORDER BY hits.day, subject
