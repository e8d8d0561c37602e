-- question: How did the events of each category end?
-- controls: SOC2 CC7.2; PCI 10.2.2; NIST AU-3
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

SELECT
    category,
    count(*) AS events,
    count(*) FILTER (WHERE outcome = 'success') AS success,
    count(*) FILTER (WHERE outcome = 'failure') AS failure,
    count(*) FILTER (WHERE outcome = 'unknown') AS unknown
FROM events
WHERE occurred_at >= $since AND occurred_at < $until
GROUP BY category
ORDER BY category
