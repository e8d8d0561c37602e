-- question: How many API keys were alive at the start, created, revoked and alive at the end?
-- controls: SOC2 CC6.1; SOC2 CC6.2; PCI 10.2.1.5
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

-- Only keys whose creation or revocation is in the log; alive at the end = at the start + created - revoked.
WITH life AS (
    SELECT
        source,
        target_id AS key_id,
        max(target_name) AS key_name,
        min(occurred_at) FILTER (WHERE action = 'api_key.created') AS created_at,
        min_by(coalesce(actor_id, actor_email, actor_name), occurred_at) FILTER (WHERE action = 'api_key.created') AS created_by,
        min_by(source_ip, occurred_at) FILTER (WHERE action = 'api_key.created') AS created_from,
        min(occurred_at) FILTER (WHERE action = 'api_key.revoked') AS revoked_at,
        min_by(coalesce(actor_id, actor_email, actor_name), occurred_at) FILTER (WHERE action = 'api_key.revoked') AS revoked_by
    FROM events
    WHERE
        occurred_at < $until
        AND action IN ('api_key.created', 'api_key.revoked')
        AND outcome <> 'failure'
        AND target_id IS NOT NULL
    GROUP BY source, target_id
)

SELECT
    count(*) FILTER (WHERE coalesce(created_at < $since, true) AND coalesce(revoked_at >= $since, true)) AS live_at_start,
    count(*) FILTER (WHERE created_at >= $since) AS created,
    count(*) FILTER (WHERE revoked_at >= $since) AS revoked,
    count(*) FILTER (WHERE revoked_at IS NULL) AS live_at_end
FROM life
