-- question: Who did the most, and how much is left for everybody else?
-- controls: SOC2 CC6.1; SOC2 CC6.3; ISO A.8.2; PCI 10.2.1.2
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive
-- parameter: limit integer = 20: how many actors are named; all others are one row without a rank

WITH by_actor AS (
    SELECT
        source,
        coalesce(actor_id, actor_email, actor_name) AS actor,
        max(actor_name) AS actor_name,
        max(actor_email) AS actor_email,
        max(actor_type) AS actor_type,
        count(*) AS events,
        count(*) FILTER (WHERE outcome = 'failure') AS failures,
        count(*) FILTER (WHERE category IN ('configuration', 'billing')) AS changes,
        max(occurred_at) AS last_event
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
    GROUP BY source, coalesce(actor_id, actor_email, actor_name)
),

ranked AS (
    SELECT
        *,
        row_number() OVER (ORDER BY events DESC, source, actor NULLS LAST) AS place
    FROM by_actor
)

SELECT
    if(place <= $limit, place, NULL) AS rank,
    if(place <= $limit, source, NULL) AS source,
    if(place <= $limit, actor, NULL) AS actor,
    if(place <= $limit, actor_name, NULL) AS actor_name,
    if(place <= $limit, actor_email, NULL) AS actor_email,
    if(place <= $limit, actor_type, NULL) AS actor_type,
    count(*) AS actors,
    sum(events)::BIGINT AS events,
    sum(failures)::BIGINT AS failures,
    sum(changes)::BIGINT AS changes,
    max(last_event) AS last_event
FROM ranked
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY rank NULLS LAST
