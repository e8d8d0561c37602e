-- question: How long after they happened were the events extracted, and do any claim to be from the future?
-- controls: SOC2 CC2.1; ISO A.8.17; PCI 10.6.1; NIST AU-8
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive
-- parameter: late_days integer = 2: an event is late when it was extracted on this or a later day after its own

-- By second first: a month has few different lags compared with its events.
WITH lags AS (
    SELECT
        source,
        (epoch_us(extracted_at) - epoch_us(occurred_at)) // 1000000 AS seconds,
        make_timestamp(epoch_us(extracted_at))::DATE - make_timestamp(epoch_us(occurred_at))::DATE AS days,
        count(*) AS events
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
    GROUP BY ALL
),

running AS (
    SELECT
        *,
        sum(events) OVER (PARTITION BY source ORDER BY seconds, days) AS so_far,
        sum(events) OVER (PARTITION BY source) AS total
    FROM lags
)

SELECT
    source,
    sum(events)::BIGINT AS events,
    min(seconds) FILTER (WHERE so_far >= 0.5 * total) AS median_seconds,
    min(seconds) FILTER (WHERE so_far >= 0.99 * total) AS p99_seconds,
    max(seconds) AS longest_seconds,
    coalesce(sum(events) FILTER (WHERE days >= $late_days), 0)::BIGINT AS late_events,
    coalesce(sum(events) FILTER (WHERE seconds < 0), 0)::BIGINT AS future_events
FROM running
GROUP BY source
ORDER BY source
