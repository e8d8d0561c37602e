-- question: Which events are older than the retention limit, by source and month?
-- controls: ISO A.8.10; PCI 10.5.1; NIST AU-11; GDPR 5(1)(e)
-- parameter: limit_date date: first day that is still kept; everything before its 00:00 UTC is past the limit

SELECT
    source,
    date_trunc('month', make_timestamp(epoch_us(occurred_at)))::DATE AS month, -- UTC
    count(*) AS events,
    min(occurred_at) AS first_event,
    max(occurred_at) AS last_event
FROM events
WHERE occurred_at < timezone('UTC', $limit_date::TIMESTAMP)
GROUP BY ALL
ORDER BY source, month
