-- Dialect: terracotta
-- id: id
-- time: occurred_at
-- unit: ms
-- objects: actor, context, before, after
-- arrays: targets
--
-- Terracotta's own audit events; docs/sources.md describes the record. This is the hot path: every text
-- is taken in one pass over the record, what is rare (objects where a text belongs, several targets,
-- before and after) is worked out only for the rows that have it.
WITH parts AS (
  SELECT line, event_id, occurred_at, record, json_extract_string(record, [
    '$.org_id', '$.type', '$.outcome', '$.category',
    '$.actor.type', '$.actor.id', '$.actor.name', '$.actor.email',
    '$.context.ip', '$.context.user_agent', '$.context.session_id', '$.context.api_key_id', '$.context.request_id',
    '$.targets[0].type', '$.targets[0].id', '$.targets[0].name',
    '$.targets[1].type', '$.targets[1].id', '$.targets[1].name',
    '$.targets', '$.before', '$.after']) AS v
  FROM records
),
-- json_extract_string gives an object or a list as its JSON text; a text may begin with the same
-- character. Only rows with such a beginning are looked at again. Comparing is several times faster
-- than a prefix function: '[' and '\' are neighbours in ASCII, and so are '{' and '|'.
texts AS (
  SELECT * REPLACE (CASE
    WHEN v[1] >= '[' AND v[1] < '\' OR v[1] >= '{' AND v[1] < '|'
      OR v[2] >= '[' AND v[2] < '\' OR v[2] >= '{' AND v[2] < '|'
      OR v[6] >= '[' AND v[6] < '\' OR v[6] >= '{' AND v[6] < '|'
      OR v[7] >= '[' AND v[7] < '\' OR v[7] >= '{' AND v[7] < '|'
      OR v[8] >= '[' AND v[8] < '\' OR v[8] >= '{' AND v[8] < '|'
      OR v[9] >= '[' AND v[9] < '\' OR v[9] >= '{' AND v[9] < '|'
      OR v[10] >= '[' AND v[10] < '\' OR v[10] >= '{' AND v[10] < '|'
      OR v[11] >= '[' AND v[11] < '\' OR v[11] >= '{' AND v[11] < '|'
      OR v[12] >= '[' AND v[12] < '\' OR v[12] >= '{' AND v[12] < '|'
      OR v[13] >= '[' AND v[13] < '\' OR v[13] >= '{' AND v[13] < '|'
      OR v[14] >= '[' AND v[14] < '\' OR v[14] >= '{' AND v[14] < '|'
      OR v[15] >= '[' AND v[15] < '\' OR v[15] >= '{' AND v[15] < '|'
      OR v[16] >= '[' AND v[16] < '\' OR v[16] >= '{' AND v[16] < '|'
      OR v[17] >= '[' AND v[17] < '\' OR v[17] >= '{' AND v[17] < '|'
      OR v[18] >= '[' AND v[18] < '\' OR v[18] >= '{' AND v[18] < '|'
      OR v[19] >= '[' AND v[19] < '\' OR v[19] >= '{' AND v[19] < '|'
    THEN list_concat(
      list_transform(
        json_extract(record, [
          '$.org_id', '$.type', '$.outcome', '$.category',
          '$.actor.type', '$.actor.id', '$.actor.name', '$.actor.email',
          '$.context.ip', '$.context.user_agent', '$.context.session_id', '$.context.api_key_id', '$.context.request_id',
          '$.targets[0].type', '$.targets[0].id', '$.targets[0].name',
          '$.targets[1].type', '$.targets[1].id', '$.targets[1].name']),
        lambda x: CASE WHEN x ^@ '{' OR x ^@ '[' THEN NULL ELSE x ->> '$' END),
      v[20:])
    ELSE v
  END AS v)
  FROM parts
),
-- How many braces targets opens: as many as it has objects, where those are flat and no text has one.
-- before and after as JSON, where they are objects (a text that looks like one becomes a JSON string,
-- which has no keys)
sides AS (
  SELECT *,
    strlen(v[20]) - strlen(replace(v[20], '{', '')) AS braces,
    CASE WHEN v[21] ^@ '{' THEN json_extract(record, '$.before') END AS before,
    CASE WHEN v[22] ^@ '{' THEN json_extract(record, '$.after') END AS after
  FROM texts
)
SELECT
  line,
  event_id,
  occurred_at,
  v[1] AS org_id,
  CASE split_part(v[2], '.', 1)
    WHEN 'authentication' THEN 'authentication'
    WHEN 'api_key' THEN 'authentication'
    WHEN 'review' THEN 'review'
    WHEN 'guardrail' THEN 'configuration'
    WHEN 'integration' THEN 'configuration'
    WHEN 'plan' THEN 'billing'
    WHEN 'seat' THEN 'billing'
    WHEN 'drift_scan' THEN 'drift'
    ELSE CASE
      WHEN v[4] IN ('authentication', 'access', 'review', 'configuration', 'billing', 'drift', 'data') THEN v[4]
      ELSE 'other'
    END
  END AS category,
  v[2] AS action,
  CASE WHEN v[3] IN ('success', 'failure') THEN v[3] ELSE 'unknown' END AS outcome,
  CASE WHEN v[5] IN ('user', 'service', 'system') THEN v[5] ELSE 'unknown' END AS actor_type,
  v[6] AS actor_id,
  v[7] AS actor_name,
  v[8] AS actor_email,
  CASE
    WHEN v[20] IS NULL THEN CAST([] AS STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR)[])
    -- one or two flat objects: their members are already at hand
    WHEN braces = 1 AND coalesce(v[15], v[14], v[16]) IS NOT NULL
    THEN [struct_pack("type" := v[14], id := v[15], "name" := v[16])]
    WHEN braces = 2 AND coalesce(v[15], v[14], v[16]) IS NOT NULL AND coalesce(v[18], v[17], v[19]) IS NOT NULL
    THEN [struct_pack("type" := v[14], id := v[15], "name" := v[16]), struct_pack("type" := v[17], id := v[18], "name" := v[19])]
    -- from_json gives NULL for what is no list
    ELSE list_transform(
      list_filter(coalesce(from_json(json_extract(record, '$.targets'), '["JSON"]'), []), lambda t: t ^@ '{'),
      lambda t: struct_pack(
        "type" := CASE WHEN json_type(t, '$.type') IN ('OBJECT', 'ARRAY') THEN NULL ELSE t ->> '$.type' END,
        id := CASE WHEN json_type(t, '$.id') IN ('OBJECT', 'ARRAY') THEN NULL ELSE t ->> '$.id' END,
        "name" := CASE WHEN json_type(t, '$.name') IN ('OBJECT', 'ARRAY') THEN NULL ELSE t ->> '$.name' END))
  END AS targets,
  v[9] AS source_ip,
  v[10] AS user_agent,
  CASE
    WHEN before IS NULL AND after IS NULL THEN CAST([] AS STRUCT(field VARCHAR, "before" VARCHAR, "after" VARCHAR)[])
    ELSE list_filter(
      list_transform(
        -- the keys of before, then those only after has
        list_concat(
          json_keys(before),
          list_filter(json_keys(after), lambda k: NOT coalesce(list_contains(json_keys(before), k), false))),
        -- JSON pointers: ~ and / in a key are written ~0 and ~1 (RFC 6901)
        lambda k: struct_pack(
          field := k,
          "before" := CAST(json_extract(before, '/' || replace(replace(k, '~', '~0'), '/', '~1')) AS VARCHAR),
          "after" := CAST(json_extract(after, '/' || replace(replace(k, '~', '~0'), '/', '~1')) AS VARCHAR))),
      lambda s: s."before" IS DISTINCT FROM s."after")
  END AS changes,
  v[12] AS api_key_id,
  v[11] AS session_id,
  v[13] AS request_id
FROM sides
