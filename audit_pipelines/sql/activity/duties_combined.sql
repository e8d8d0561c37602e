-- question: Who did two or more things that are better kept apart (set guardrails, trigger reviews, make API keys)?
-- controls: SOC2 CC6.3; ISO A.8.2
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

SELECT
    source,
    coalesce(actor_id, actor_email, actor_name) AS actor,
    max(actor_name) AS actor_name,
    max(actor_type) AS actor_type,
    count(*) FILTER (WHERE action LIKE 'guardrail.%') AS guardrail_changes,
    count(*) FILTER (WHERE action = 'review.triggered') AS reviews_triggered,
    count(*) FILTER (WHERE action = 'api_key.created') AS keys_created
FROM events
WHERE
    occurred_at >= $since
    AND occurred_at < $until
    AND outcome <> 'failure'
    AND (action LIKE 'guardrail.%' OR action IN ('review.triggered', 'api_key.created'))
    AND coalesce(actor_id, actor_email, actor_name) IS NOT NULL
GROUP BY source, coalesce(actor_id, actor_email, actor_name)
HAVING (guardrail_changes > 0)::INTEGER + (reviews_triggered > 0)::INTEGER + (keys_created > 0)::INTEGER >= 2
ORDER BY source, actor
