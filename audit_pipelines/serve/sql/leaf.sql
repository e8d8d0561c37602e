-- question: What is the event at leaf $leaf?
SELECT uid, event_id, occurred_at, source, dialect, org_id, category, action, outcome, actor_type, actor_id, actor_name, actor_email, targets,
    target_type, target_id, target_name, source_ip, user_agent, changes, api_key_id, session_id, request_id, extracted_at, line, leaf_index
FROM events
WHERE leaf_index = $leaf
