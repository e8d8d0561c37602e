-- Dialect: audit-pipelines
-- id: id
-- time: time
-- unit: ms
-- objects: actor, context, request
-- arrays: targets
--
-- What was read through `serve`: the home's own access log; docs/sources.md describes the record. Method, path,
-- query and status of the request stand in the record only: no canonical column means them.
WITH parts AS (
  SELECT line, event_id, occurred_at, record,
    list_transform(
      json_extract(record, [
        '$.action', '$.outcome',
        '$.actor.type', '$.actor.id', '$.actor.name', '$.actor.email',
        '$.context.ip', '$.context.user_agent', '$.context.session_id', '$.context.api_key_id', '$.context.request_id']),
      -- an object or a list where a text belongs gives NULL
      lambda x: CASE WHEN x ^@ '{' OR x ^@ '[' THEN NULL ELSE x ->> '$' END) AS v
  FROM records
)
SELECT
  line,
  event_id,
  occurred_at,
  CAST(NULL AS VARCHAR) AS org_id,
  CASE
    WHEN v[1] IS NULL THEN 'other'
    WHEN v[1] ^@ 'authentication.' THEN 'authentication'
    WHEN split_part(v[1], '.', -1) IN ('exported', 'downloaded') THEN 'data'
    ELSE 'access'
  END AS category,
  v[1] AS action,
  CASE WHEN v[2] IN ('success', 'failure') THEN v[2] ELSE 'unknown' END AS outcome,
  CASE WHEN v[3] IN ('user', 'service', 'system') THEN v[3] ELSE 'unknown' END AS actor_type,
  v[4] AS actor_id,
  v[5] AS actor_name,
  v[6] AS actor_email,
  -- from_json gives NULL for what is no list
  list_transform(
    list_filter(coalesce(from_json(json_extract(record, '$.targets'), '["JSON"]'), []), lambda t: t ^@ '{'),
    lambda t: struct_pack(
      "type" := CASE WHEN json_type(t, '$.type') IN ('OBJECT', 'ARRAY') THEN NULL ELSE t ->> '$.type' END,
      id := CASE WHEN json_type(t, '$.id') IN ('OBJECT', 'ARRAY') THEN NULL ELSE t ->> '$.id' END,
      "name" := CASE WHEN json_type(t, '$.name') IN ('OBJECT', 'ARRAY') THEN NULL ELSE t ->> '$.name' END)) AS targets,
  v[7] AS source_ip,
  v[8] AS user_agent,
  CAST([] AS STRUCT(field VARCHAR, "before" VARCHAR, "after" VARCHAR)[]) AS changes,
  v[10] AS api_key_id,
  v[9] AS session_id,
  v[11] AS request_id
FROM parts
