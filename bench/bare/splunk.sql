-- The fields of the format `splunk`, by DuckDB's own means: structs, no words of the CIM but one CASE, no line budget.
SELECT
    strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS "time",
    uid AS event_id,
    action AS event_type,
    CASE category WHEN 'authentication' THEN 'authentication' WHEN 'configuration' THEN 'change' ELSE 'none' END AS cim,
    coalesce(regexp_extract(action, '[^.]*$'), 'unknown') AS "action",
    CASE WHEN outcome = 'failure' THEN 'failure' ELSE 'success' END AS status,
    source AS app,
    source AS dest,
    coalesce(source_ip, 'unknown') AS src,
    coalesce(actor_name, actor_id, 'unknown') AS "user",
    actor_id AS user_id,
    actor_email AS user_email,
    actor_type AS user_type,
    category AS change_type,
    target_name AS object,
    target_id AS object_id,
    target_type AS object_category,
    'Terracotta' AS vendor_product,
    org_id AS vendor_account,
    user_agent,
    session_id,
    struct_pack(
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
    ) AS audit
FROM events
ORDER BY occurred_at, uid
