-- The fields of the format `ocsf`, by DuckDB's own means: structs, no escaping of its own, no line budget.
SELECT
    struct_pack(
        version := '1.8.0',
        uid := uid,
        product := struct_pack("name" := dialect, vendor_name := 'Terracotta'),
        source := source,
        log_provider := 'audit-pipelines',
        event_code := action,
        original_event_uid := event_id,
        original_time := strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ'),
        logged_time := epoch_ms(extracted_at),
        "sequence" := leaf_index,
        tenant_uid := org_id,
        correlation_uid := request_id
    ) AS metadata,
    epoch_ms(occurred_at) AS "time",
    class_uid,
    class_uid // 1000 AS category_uid,
    activity_id,
    class_uid * 100 + activity_id AS type_uid,
    CASE WHEN activity_id = 99 THEN action END AS activity_name,
    CASE WHEN outcome = 'failure' THEN 2 ELSE 1 END AS severity_id,
    CASE outcome WHEN 'success' THEN 1 WHEN 'failure' THEN 2 ELSE 0 END AS status_id,
    concat_ws(' ', coalesce(actor_name, actor_email, actor_id, actor_type), action, target_type, coalesce(target_name, target_id)) AS message,
    struct_pack("user" := actor, session := struct_pack(uid := session_id)) AS actor,
    CASE WHEN class_uid = 3002 THEN actor END AS "user",
    CASE WHEN class_uid = 3002 THEN struct_pack("name" := source) END AS service,
    CASE WHEN class_uid = 3004 THEN struct_pack("name" := target_name, uid := target_id, "type" := target_type,
        "data" := CASE WHEN len(changes) > 0 THEN CAST(to_json(changes) AS VARCHAR) END) END AS entity,
    CASE WHEN class_uid = 6003 THEN struct_pack(operation := action) END AS api,
    CASE WHEN class_uid = 6003 THEN list_transform(targets, lambda t: {'name': t."name", 'uid': t.id, 'type': t."type"}) END AS resources,
    struct_pack(ip := source_ip) AS src_endpoint,
    struct_pack(user_agent := user_agent) AS http_request,
    struct_pack(
        leaf_index := leaf_index,
        category := category,
        targets := CASE WHEN class_uid <> 6003 THEN targets END,
        changes := CASE WHEN class_uid <> 3004 AND len(changes) > 0 THEN CAST(to_json(changes) AS VARCHAR) END
    ) AS unmapped
FROM (
    SELECT *,
        CASE WHEN action LIKE 'authentication.%' THEN 3002 WHEN action LIKE 'seat.%' THEN 3005 WHEN action LIKE 'review.%' THEN 6003 ELSE 3004 END AS class_uid,
        CASE WHEN action LIKE '%.created' OR action LIKE '%.login' OR action LIKE '%.added' THEN 1 WHEN action LIKE '%.updated' THEN 3
            WHEN action LIKE '%.deleted' OR action LIKE '%.revoked' THEN 4 ELSE 99 END AS activity_id,
        struct_pack("name" := actor_name, uid := actor_id, email_addr := actor_email, type_id := CASE actor_type WHEN 'user' THEN 1 ELSE 4 END,
            credential_uid := api_key_id) AS actor
    FROM events
)
ORDER BY occurred_at, uid
