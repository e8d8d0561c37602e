-- question: Which sources and dialects do the events come from?
-- controls: SOC2 CC2.1; ISO A.8.15; PCI 10.2.1
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

SELECT
    source,
    dialect,
    count(*) AS events,
    count(DISTINCT make_timestamp(epoch_us(occurred_at))::DATE) AS days_with_events,
    min(occurred_at) AS first_event,
    max(occurred_at) AS last_event
FROM events
WHERE occurred_at >= $since AND occurred_at < $until
GROUP BY source, dialect
ORDER BY source, dialect
