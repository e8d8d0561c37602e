-- question: What are the oldest and the newest event of each source?
-- controls: ISO A.8.15; PCI 10.5.1; NIST AU-11

SELECT
    source,
    min(occurred_at) AS oldest_event,
    max(occurred_at) AS newest_event,
    count(*) AS events
FROM events
GROUP BY source
ORDER BY source
