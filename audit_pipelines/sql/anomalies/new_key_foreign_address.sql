-- question: Which new API keys were soon used from an address that nobody had used before?
-- severity: high
-- controls: SOC2 CC6.1; SOC2 CC7.2; ISO A.8.16; PCI 10.2.1.5; PCI 10.4.1
-- lookback: 30
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: window_hours integer = 24: how long after its creation a use counts, at most 48
-- runbook: Ask the creator (actor of the first event of the evidence) which machine the key was made for and where it runs.
-- runbook: If they cannot name the address, revoke the key, then the sessions of its creator.
-- runbook: Read everything the key did (api_key_id) and from that address (source_ip).

WITH creations AS MATERIALIZED (
    SELECT
        source,
        target_id AS key_id,
        occurred_at AS created_at,
        source_ip AS creator_ip,
        coalesce(actor_id, actor_email, actor_name) AS creator,
        uid
    FROM events
    WHERE
        -- 2 of the 30 days: a use at most 48 hours after the creation; the others show who used an address.
        occurred_at >= $since - INTERVAL 2 DAYS
        AND occurred_at < $until
        AND action = 'api_key.created'
        AND outcome <> 'failure'
        AND target_id IS NOT NULL
        AND source_ip IS NOT NULL
),

uses AS MATERIALIZED (
    SELECT
        creations.source,
        creations.key_id,
        creations.created_at,
        creations.creator_ip,
        creations.creator,
        creations.uid AS created_uid,
        events.source_ip,
        events.occurred_at,
        events.uid,
        min(events.occurred_at) OVER (
            PARTITION BY creations.uid, events.source_ip
        ) AS first_at
    FROM events
    INNER JOIN creations ON events.api_key_id = creations.key_id AND events.source = creations.source
    WHERE
        events.occurred_at >= $since - INTERVAL 2 DAYS
        AND events.occurred_at < $until
        AND events.api_key_id IS NOT NULL
        AND events.occurred_at > creations.created_at
        AND events.occurred_at <= creations.created_at + to_hours(least($window_hours, 48))
        AND events.source_ip <> creations.creator_ip
),

-- Days on which anybody at all used the addresses in question.
known AS (
    SELECT DISTINCT
        source_ip,
        make_timestamp(epoch_us(occurred_at))::DATE AS day
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 30 DAYS
        AND occurred_at < $until
        AND source_ip IN (SELECT uses.source_ip FROM uses)
        AND outcome <> 'failure'
),

-- One hit a key, address and day: the day of the first use.
hits AS (
    SELECT
        make_timestamp(epoch_us(first_at))::DATE AS day,
        *
    FROM uses
    WHERE
        first_at >= $since
        AND make_timestamp(epoch_us(occurred_at))::DATE = make_timestamp(epoch_us(first_at))::DATE
        AND NOT EXISTS (
            FROM known
            WHERE
                known.source_ip = uses.source_ip
                AND known.day < make_timestamp(epoch_us(uses.created_at))::DATE
                AND known.day >= make_timestamp(epoch_us(uses.created_at))::DATE - 28
        )
)

SELECT
    day,
    key_id AS subject,
    created_at AS window_start,
    max(occurred_at) AS window_end,
    count(*)::DOUBLE AS score,
    format(
        'Key {} at {}, created by {} from {}, was used {} time(s) from {}, an address not seen in the 28 days before.',
        key_id, source, coalesce(creator, 'unknown'), creator_ip, count(*), source_ip
    ) AS summary,
    ([created_uid] || min_by(uid, (occurred_at, uid), 99)) AS uids,
    count(*) + 1 AS evidence_count
FROM hits
GROUP BY day, source, key_id, created_at, creator_ip, creator, created_uid, source_ip
ORDER BY day, subject, window_start, window_end, summary
