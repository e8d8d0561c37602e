-- question: Which are the events with the uids $uids, oldest first?
SELECT uid, leaf_index, occurred_at, source, category, action, outcome, actor_type, actor_id, actor_name, actor_email, target_type, target_id,
    target_name, source_ip, user_agent
FROM events
WHERE list_contains($uids, uid)
ORDER BY occurred_at, uid
LIMIT 100
