-- question: Which events does a seeded sample of the period pick?
-- controls: SOC2 CC2.1; NIST AU-7
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive
-- parameter: seed text: any text fixed before the sample is drawn, e.g. the root of a later checkpoint
-- parameter: size integer = 25: how many events
-- parameter: category text = all: one category, or "all"

-- Anyone can draw it again: rank the uids by SHA-256 of seed and uid, take the lowest.
WITH drawn AS (
    SELECT
        sha256($seed || uid) AS rank_digest,
        uid
    FROM events
    WHERE
        occurred_at >= $since
        AND occurred_at < $until
        AND ($category = 'all' OR category = $category)
    ORDER BY rank_digest, uid
    LIMIT $size
)

SELECT
    row_number() OVER (ORDER BY drawn.rank_digest, drawn.uid) AS place,
    drawn.rank_digest,
    events.leaf_index,
    events.uid,
    events.occurred_at,
    events.category,
    events.action,
    events.outcome,
    coalesce(events.actor_id, events.actor_email, events.actor_name) AS actor,
    events.target_type,
    events.target_id,
    events.source_ip
FROM events
INNER JOIN drawn ON events.uid = drawn.uid
WHERE events.occurred_at >= $since AND events.occurred_at < $until
ORDER BY place
