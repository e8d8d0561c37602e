-- question: On which days of the period does the log hold no event, of one source or of all?
-- controls: SOC2 CC7.2; ISO A.8.15; PCI 10.2.1; PCI 10.2.1.6
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive

WITH days AS (
    SELECT unnest(generate_series(make_timestamp(epoch_us($since))::DATE, make_timestamp(epoch_us($until) - 1)::DATE, INTERVAL 1 DAY))::DATE AS day
),

-- Every source the log knows, before the period too: one that fell silent must still show. But for the home's own
-- access log: nobody must read.
sources AS (
    SELECT DISTINCT source
    FROM events
    WHERE occurred_at < $until AND source <> 'audit-pipelines'
),

seen AS (
    SELECT DISTINCT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
)

SELECT
    days.day,
    sources.source -- NULL: no event of any source
FROM days
CROSS JOIN sources
WHERE NOT EXISTS (FROM seen WHERE seen.day = days.day AND seen.source = sources.source)
UNION ALL
SELECT
    days.day,
    NULL AS source
FROM days
WHERE days.day NOT IN (SELECT seen.day FROM seen)
ORDER BY 1, 2 NULLS FIRST
