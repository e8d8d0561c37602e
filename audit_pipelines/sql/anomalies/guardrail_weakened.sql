-- question: Which guardrails were deleted, switched off or made weaker?
-- severity: high
-- controls: SOC2 CC7.1; SOC2 CC8.1; ISO A.8.2; ISO A.8.16; PCI 10.2.1.2
-- lookback: 1
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- runbook: Find the ticket and the approval for the change of target_id; note its number.
-- runbook: Without one, put the values of "before" back and ask the actor why.
-- runbook: List the reviews of the time without the guardrail (query activity/review_pairs) and repeat those that matter.

-- Words that say how hard a guardrail acts; a step down is a weakening.
WITH strength (word, rank) AS (
    VALUES
    ('block', 3), ('deny', 3), ('enforce', 3), ('enforced', 3), ('reject', 3), ('strict', 3),
    ('warn', 2), ('flag', 2), ('review', 2), ('ask', 2), ('moderate', 2), ('enabled', 2), ('active', 2), ('on', 2),
    ('log', 1), ('monitor', 1), ('audit', 1), ('observe', 1), ('report', 1), ('dry_run', 1), ('relaxed', 1),
    ('allow', 0), ('off', 0), ('none', 0), ('disabled', 0), ('inactive', 0), ('paused', 0), ('ignore', 0)
),

guardrails AS MATERIALIZED (
    SELECT uid, occurred_at, source, action, target_id, changes, coalesce(actor_id, actor_email, actor_name) AS actor
    FROM events
    WHERE
        occurred_at >= $since
        AND occurred_at < $until
        AND category = 'configuration'
        AND action LIKE 'guardrail.%'
        AND outcome <> 'failure'
),

changed AS (
    SELECT
        uid,
        change.field,
        regexp_extract(lower(change.field), '[^./]+$') AS name, -- the last part of a dotted field
        lower(trim(change."before", '"')) AS "before",
        lower(trim(change."after", '"')) AS "after",
        TRY_CAST(change."before" AS JSON) AS list_before,
        TRY_CAST(change."after" AS JSON) AS list_after
    FROM (SELECT uid, unnest(changes) AS change FROM guardrails WHERE action <> 'guardrail.created')
),

weaker AS (
    SELECT
        changed.uid,
        count(*) AS fields,
        string_agg(
            format(
                '{} from {} to {}', changed.field, left(coalesce(changed."before", 'nothing'), 40), left(coalesce(changed."after", 'nothing'), 40)
            ),
            ', '
            ORDER BY changed.field
        ) AS what
    FROM changed
    LEFT JOIN strength AS stood ON changed."before" = stood.word
    LEFT JOIN strength AS stands ON changed."after" = stands.word
    WHERE
        stands.rank < stood.rank
        OR (
            changed.name IN ('enabled', 'active', 'enforced', 'required', 'mandatory', 'blocking')
            AND changed."before" = 'true'
            AND coalesce(changed."after", 'null') IN ('false', 'null')
        )
        OR (
            changed.name IN ('disabled', 'paused', 'muted', 'dry_run', 'bypass', 'allow_override')
            AND coalesce(changed."before", 'null') IN ('false', 'null')
            AND changed."after" = 'true'
        )
        OR (
            changed.name IN ('exceptions', 'exclusions', 'exempt', 'excluded', 'ignored', 'allowlist', 'bypass_actors')
            AND json_type(changed.list_after) = 'ARRAY'
            AND json_array_length(changed.list_after) > coalesce(json_array_length(changed.list_before), 0)
        )
    GROUP BY changed.uid
)

SELECT
    make_timestamp(epoch_us(guardrails.occurred_at))::DATE AS day,
    coalesce(guardrails.target_id, guardrails.uid) AS subject,
    guardrails.occurred_at AS window_start,
    guardrails.occurred_at AS window_end,
    coalesce(weaker.fields, 1)::DOUBLE AS score,
    format(
        'Guardrail {} at {} was {} by {}.',
        coalesce(guardrails.target_id, 'unknown'),
        guardrails.source,
        coalesce('weakened (' || weaker.what || ')', 'deleted'),
        coalesce(guardrails.actor, 'unknown')
    ) AS summary,
    [guardrails.uid] AS uids,
    1::BIGINT AS evidence_count
FROM guardrails
LEFT JOIN weaker ON guardrails.uid = weaker.uid
WHERE weaker.uid IS NOT NULL OR guardrails.action = 'guardrail.deleted'
ORDER BY day, subject, window_start, uids
