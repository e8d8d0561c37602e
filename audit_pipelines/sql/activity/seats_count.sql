-- question: How many seats were added and removed, and how often did the plan change?
-- controls: SOC2 CC6.2; PCI 10.2.1.5
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

SELECT
    count(*) FILTER (WHERE action = 'seat.added') AS seats_added,
    count(*) FILTER (WHERE action = 'seat.removed') AS seats_removed,
    count(*) FILTER (WHERE action = 'seat.added') - count(*) FILTER (WHERE action = 'seat.removed') AS net,
    count(*) FILTER (WHERE action LIKE 'plan.%') AS plan_changes,
    count(*) AS billing_events
FROM events
WHERE
    occurred_at >= $since
    AND occurred_at < $until
    AND category = 'billing'
    AND outcome <> 'failure'
