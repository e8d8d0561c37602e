-- The fields of the format `splunk_hec`, by DuckDB's own means: those of `splunk` in the envelope of the HTTP Event Collector.
SELECT
    epoch_us(occurred_at) / 1000000 AS "time",
    source AS host,
    'audit-pipelines:larkspur' AS "source",
    'audit_pipelines:event' AS sourcetype,
    struct_pack(
        "time" := strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ'),
        event_id := uid,
        event_type := action,
        cim := CASE category WHEN 'authentication' THEN 'authentication' WHEN 'configuration' THEN 'change' ELSE 'none' END,
        "action" := coalesce(regexp_extract(action, '[^.]*$'), 'unknown'),
        status := CASE WHEN outcome = 'failure' THEN 'failure' ELSE 'success' END,
        app := source,
        dest := source,
        src := coalesce(source_ip, 'unknown'),
        "user" := coalesce(actor_name, actor_id, 'unknown'),
        user_id := actor_id,
        user_email := actor_email,
        user_type := actor_type,
        change_type := category,
        object := target_name,
        object_id := target_id,
        object_category := target_type,
        vendor_product := 'Terracotta',
        vendor_account := org_id,
        user_agent := user_agent,
        session_id := session_id,
        audit := struct_pack(
        event_id := event_id,
        leaf_index := leaf_index,
        dialect := dialect,
        category := category,
        outcome := outcome,
        targets := targets,
        changes := changes,
        api_key_id := api_key_id,
        request_id := request_id,
        extracted_at := strftime(extracted_at, '%Y-%m-%dT%H:%M:%S.%fZ')
    )
    ) AS event
FROM events
ORDER BY occurred_at, uid
