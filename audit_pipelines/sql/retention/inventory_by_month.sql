-- question: How many events of each month and source does the log hold?
-- controls: SOC2 CC7.2; ISO A.8.15; PCI 10.5.1; NIST AU-11

SELECT
    date_trunc('month', make_timestamp(epoch_us(occurred_at)))::DATE AS month, -- UTC
    source,
    count(*) AS events,
    count(DISTINCT make_timestamp(epoch_us(occurred_at))::DATE) AS days_with_events,
    min(occurred_at) AS first_event,
    max(occurred_at) AS last_event
FROM events
GROUP BY ALL
ORDER BY month, source
