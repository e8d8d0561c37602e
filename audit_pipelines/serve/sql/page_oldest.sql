-- question: Which are the oldest $rows events?
SELECT uid, epoch_us(occurred_at) AS time, leaf_index, event_id, occurred_at, source, category, action, outcome, actor_type, actor_id,
    actor_name, actor_email, targets, target_type, target_id, target_name, source_ip, user_agent, changes, api_key_id, session_id,
    request_id, extracted_at
FROM events
ORDER BY occurred_at, uid
LIMIT $rows
