-- question: Which seats and plans were changed, by whom?
-- controls: SOC2 CC6.2; SOC2 CC6.3; PCI 10.2.1.5
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

SELECT
    occurred_at,
    action,
    outcome,
    coalesce(actor_id, actor_email, actor_name) AS actor,
    actor_name,
    target_type,
    target_id,
    target_name,
    array_to_string(
        [format('{}: {} -> {}', c.field, coalesce(c."before", 'none'), coalesce(c."after", 'none')) FOR c IN changes], '; '
    ) AS details,
    source,
    source_ip,
    uid,
    leaf_index
FROM events
WHERE
    occurred_at >= $since
    AND occurred_at < $until
    AND category = 'billing'
ORDER BY occurred_at, uid
