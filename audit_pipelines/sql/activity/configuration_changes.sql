-- question: What was changed in the configuration, by whom, from what to what?
-- controls: SOC2 CC7.1; SOC2 CC8.1; ISO A.8.2; PCI 10.2.1.2; PCI 10.2.1.7
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

-- One row a changed field. A change that names no field (a guardrail deleted) is one row without a field.
SELECT
    occurred_at,
    action,
    outcome,
    coalesce(actor_id, actor_email, actor_name) AS actor,
    actor_name,
    target_type,
    target_id,
    target_name,
    source,
    source_ip,
    uid,
    leaf_index,
    change.field,
    change."before",
    change."after"
FROM (
    SELECT
        *,
        unnest(if(coalesce(len(changes), 0) = 0, [NULL], changes)) AS change,
        unnest(range(greatest(coalesce(len(changes), 0), 1))) AS place
    FROM events
    WHERE
        occurred_at >= $since
        AND occurred_at < $until
        AND (category = 'configuration' OR len(changes) > 0)
)
ORDER BY occurred_at, uid, place
