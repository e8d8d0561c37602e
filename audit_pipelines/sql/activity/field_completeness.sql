-- question: How often does each column hold a value, by category?
-- controls: SOC2 CC2.1; PCI 10.2.2; NIST AU-3; NIST AU-3(1)
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

-- "unknown" and an empty list of changes count as no value.
WITH counted AS (
    SELECT
        category,
        count(*) AS events,
        count(occurred_at) AS occurred_at,
        count(source) AS source,
        count(action) AS action,
        count(*) FILTER (WHERE outcome <> 'unknown') AS outcome,
        count(*) FILTER (WHERE actor_type <> 'unknown') AS actor_type,
        count(actor_id) AS actor_id,
        count(actor_name) AS actor_name,
        count(actor_email) AS actor_email,
        count(target_id) AS target_id,
        count(target_type) AS target_type,
        count(source_ip) AS source_ip,
        count(user_agent) AS user_agent,
        count(*) FILTER (WHERE len(changes) > 0) AS changes,
        count(api_key_id) AS api_key_id,
        count(session_id) AS session_id,
        count(request_id) AS request_id,
        count(org_id) AS org_id
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
    GROUP BY category
)

SELECT
    category,
    "column",
    events,
    filled,
    round(filled / events, 4) AS share
FROM counted
UNPIVOT (
    filled FOR "column" IN (
        occurred_at, source, action, outcome, actor_type, actor_id, actor_name, actor_email, target_id, target_type, source_ip,
        user_agent, changes, api_key_id, session_id, request_id, org_id
    )
)
ORDER BY category, "column"
