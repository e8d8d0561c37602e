-- question: What was done, how often, and how did it end?
-- controls: SOC2 CC7.2; ISO A.8.15; PCI 10.2.1.2; PCI 10.2.1.7; NIST AU-2; NIST AU-12
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

-- By actor first: distinct actors are then few rows to count.
WITH by_actor AS (
    SELECT
        category,
        action,
        source || '/' || coalesce(actor_id, actor_email, actor_name) AS actor,
        count(*) AS events,
        count(*) FILTER (WHERE outcome = 'success') AS success,
        count(*) FILTER (WHERE outcome = 'failure') AS failure,
        count(*) FILTER (WHERE outcome = 'unknown') AS unknown,
        min(occurred_at) AS first_event,
        max(occurred_at) AS last_event
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
    GROUP BY ALL
)

SELECT
    category,
    action,
    sum(events)::BIGINT AS events,
    sum(success)::BIGINT AS success,
    sum(failure)::BIGINT AS failure,
    sum(unknown)::BIGINT AS unknown,
    count(actor) AS actors,
    min(first_event) AS first_event,
    max(last_event) AS last_event
FROM by_actor
GROUP BY category, action
ORDER BY category, action
