-- question: How many events of each category happened on each day?
-- controls: SOC2 CC7.2; ISO A.8.15; PCI 10.2.1
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

WITH counted AS (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day, -- UTC, whatever the session's zone
        category,
        count(*) AS events
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
    GROUP BY ALL
),

days AS (
    SELECT unnest(generate_series(make_timestamp(epoch_us($since))::DATE, make_timestamp(epoch_us($until) - 1)::DATE, INTERVAL 1 DAY))::DATE AS day
)

-- A day without an event of a category is a 0, not a missing row.
SELECT
    days.day,
    categories.category,
    coalesce(counted.events, 0) AS events
FROM days
CROSS JOIN (SELECT DISTINCT counted.category FROM counted) AS categories
LEFT JOIN counted ON days.day = counted.day AND categories.category = counted.category
ORDER BY days.day, categories.category
