-- The fields of the format `ecs`, by DuckDB's own means: structs, no escaping of its own, no line budget.
SELECT
    occurred_at AS "@timestamp",
    uid AS doc_id,
    concat_ws(' ', coalesce(actor_name, actor_email, actor_id, actor_type), action, target_type, coalesce(target_name, target_id)) AS message,
    struct_pack(version := '9.4.0') AS ecs,
    struct_pack(
        kind := 'event',
        category := [CASE category
            WHEN 'authentication' THEN 'authentication' WHEN 'configuration' THEN 'configuration' WHEN 'billing' THEN 'configuration'
            WHEN 'access' THEN 'iam' ELSE 'api' END],
        "type" := [CASE
            WHEN action LIKE '%.created' OR action LIKE '%.added' THEN 'creation' WHEN action LIKE '%.updated' THEN 'change'
            WHEN action LIKE '%.deleted' OR action LIKE '%.removed' THEN 'deletion' WHEN action LIKE '%.completed' THEN 'end'
            ELSE 'start' END],
        action := action,
        outcome := outcome,
        id := uid,
        created := extracted_at,
        module := 'audit_pipelines',
        dataset := 'audit_pipelines.audit',
        provider := source,
        "sequence" := leaf_index
    ) AS event,
    struct_pack(id := org_id) AS organization,
    struct_pack("name" := source) AS service,
    struct_pack(id := actor_id, "name" := actor_name, email := actor_email) AS "user",
    struct_pack(ip := source_ip) AS source,
    struct_pack(original := user_agent) AS user_agent,
    struct_pack(ip := [source_ip], "user" := [actor_name, actor_email, actor_id]) AS related,
    struct_pack("type" := 'logs', dataset := 'audit_pipelines.audit', namespace := 'default') AS data_stream,
    struct_pack(
        event_id := event_id,
        leaf_index := leaf_index,
        source := source,
        dialect := dialect,
        category := category,
        actor_type := actor_type,
        targets := targets,
        changes := CASE WHEN len(changes) > 0 THEN CAST(to_json(changes) AS VARCHAR) END,
        api_key_id := api_key_id,
        session_id := session_id,
        request_id := request_id
    ) AS audit_pipelines
FROM events
ORDER BY occurred_at, uid
