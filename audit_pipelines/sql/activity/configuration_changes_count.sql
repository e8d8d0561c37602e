-- question: How many configuration changes are there in all?
-- controls: SOC2 CC8.1; PCI 10.2.1.2
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

-- The same choice of events as activity/configuration_changes.
SELECT
    count(*) AS changes,
    coalesce(sum(greatest(coalesce(len(changes), 0), 1)), 0)::BIGINT AS rows,
    count(DISTINCT source || '/' || coalesce(actor_id, actor_email, actor_name)) AS actors,
    count(DISTINCT source || '/' || coalesce(target_type, '') || '/' || target_id) AS targets,
    count(*) FILTER (WHERE outcome = 'failure') AS failures,
    count(*) FILTER (WHERE regexp_matches(action, 'delete|destroy|remove|disconnect', 'i')) AS removals
FROM events
WHERE
    occurred_at >= $since
    AND occurred_at < $until
    AND (category = 'configuration' OR len(changes) > 0)
