-- The fields of the format `datadog`, by DuckDB's own means: structs, no tags of age, no line budget.
SELECT
    strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS "date",
    concat_ws(' ', coalesce(actor_name, actor_email, actor_id, actor_type), action, target_type, coalesce(target_name, target_id)) AS message,
    CASE WHEN outcome = 'failure' THEN 'warn' ELSE 'info' END AS status,
    'audit-pipelines' AS ddsource,
    source AS service,
    'organisation:larkspur' AS ddtags,
    struct_pack(id := uid, "name" := action, category := category, outcome := outcome) AS evt,
    struct_pack(id := actor_id, "name" := actor_name, email := actor_email) AS usr,
    struct_pack(client := struct_pack(ip := source_ip)) AS network,
    struct_pack(useragent := user_agent) AS http,
    struct_pack(
        event_time := strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ'),
        event_id := event_id,
        leaf_index := leaf_index,
        dialect := dialect,
        org := org_id,
        category := category,
        actor_type := actor_type,
        targets := CAST(to_json(targets) AS VARCHAR),
        changes := CAST(to_json(changes) AS VARCHAR),
        api_key_id := api_key_id,
        session_id := session_id,
        request_id := request_id,
        extracted_at := strftime(extracted_at, '%Y-%m-%dT%H:%M:%S.%fZ')
    ) AS audit
FROM events
ORDER BY occurred_at, uid
