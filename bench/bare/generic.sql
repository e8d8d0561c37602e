-- The fields of the format `generic`, straight from the lake.
SELECT
    uid, event_id, occurred_at, source, dialect, org_id, category, action, outcome,
    struct_pack("type" := actor_type, id := actor_id, "name" := actor_name, email := actor_email) AS actor,
    targets, target_type, target_id, target_name, source_ip, user_agent, changes,
    api_key_id, session_id, request_id, extracted_at, leaf_index
FROM events
ORDER BY occurred_at, uid
