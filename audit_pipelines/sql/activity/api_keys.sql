-- question: Which API keys were created, revoked, used or alive in the period?
-- controls: SOC2 CC6.1; SOC2 CC6.2; SOC2 CC6.3; ISO A.8.2; PCI 10.2.1.5
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

-- Reads everything before $until: a key made long ago is alive until it is revoked.
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
),

usage AS (
    SELECT
        source,
        api_key_id AS key_id,
        count(*) AS uses,
        max(occurred_at) AS last_used_at
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until AND api_key_id IS NOT NULL
    GROUP BY source, api_key_id
)

SELECT
    source,
    key_id,
    life.key_name,
    life.created_at, -- NULL: made before the log begins
    life.created_by,
    life.created_from,
    life.revoked_at,
    life.revoked_by,
    coalesce(usage.uses, 0) AS uses,
    usage.last_used_at,
    coalesce(life.created_at >= $since, false) AS created_in_period,
    coalesce(life.revoked_at >= $since, false) AS revoked_in_period,
    life.revoked_at IS NULL AS live_at_end
FROM life
FULL JOIN usage USING (source, key_id)
WHERE life.revoked_at IS NULL OR life.revoked_at >= $since OR usage.uses > 0
ORDER BY source, life.created_at NULLS FIRST, key_id
