-- question: Which sessions changed both address and client while they ran?
-- severity: high
-- controls: SOC2 CC6.1; SOC2 CC7.2; ISO A.8.16; PCI 10.4.1
-- lookback: 1
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: window_minutes integer = 240: longest time between the two events, at most 1440
-- runbook: Compare the two addresses and agents of the evidence: a phone that left the office keeps its agent, a stolen token does not.
-- runbook: Ask the actor which of the two they used; if only one, end session_id and reset the credentials.
-- runbook: Read what the session did after window_start from the second address.

-- Two equal hashes would need 2^32 addresses to be likely: cheap to keep for every session of the range.
WITH candidates AS (
    SELECT session_id
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 1 DAY
        AND occurred_at < $until
        AND session_id IS NOT NULL
        AND source_ip IS NOT NULL
        AND user_agent IS NOT NULL
    GROUP BY session_id
    HAVING min(hash(source_ip)) <> max(hash(source_ip)) AND min(hash(user_agent)) <> max(hash(user_agent))
),

steps AS MATERIALIZED (
    SELECT
        uid,
        occurred_at,
        source,
        session_id,
        source_ip,
        coalesce(actor_id, actor_email, actor_name) AS actor,
        lag(struct_pack(uid := uid, occurred_at := occurred_at, source_ip := source_ip, user_agent := user_agent)) OVER (
            PARTITION BY source, session_id
            ORDER BY occurred_at, uid
        ) AS before,
        user_agent
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 1 DAY
        AND occurred_at < $until
        AND session_id IN (SELECT candidates.session_id FROM candidates)
        AND source_ip IS NOT NULL
        AND user_agent IS NOT NULL
),

moves AS (
    SELECT *
    FROM steps
    WHERE
        occurred_at >= $since
        AND source_ip <> before.source_ip
        AND user_agent <> before.user_agent
        AND occurred_at - before.occurred_at <= to_minutes($window_minutes)
),

-- Both events of each move, once.
evidence AS (
    SELECT DISTINCT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source,
        session_id,
        unnest([before, struct_pack(uid := uid, occurred_at := occurred_at, source_ip := source_ip, user_agent := user_agent)]) AS event
    FROM moves
),

proofs AS (
    SELECT
        day,
        source,
        session_id,
        min(event.occurred_at) AS window_start,
        max(event.occurred_at) AS window_end,
        min_by(event.uid, (event.occurred_at, event.uid), 100) AS uids,
        count(*) AS evidence_count
    FROM evidence
    GROUP BY day, source, session_id
),

hits AS (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source,
        session_id,
        min_by(struct_pack(actor := actor, source_ip := source_ip, before_ip := before.source_ip), (occurred_at, uid)) AS first_move,
        count(*) AS moves
    FROM moves
    GROUP BY ALL
)

SELECT
    proofs.day,
    coalesce(hits.first_move.actor, proofs.session_id) AS subject,
    proofs.window_start,
    proofs.window_end,
    hits.moves::DOUBLE AS score,
    format(
        'Session {} of {} at {} changed address and client {} time(s), first from {} to {}.',
        proofs.session_id,
        coalesce(hits.first_move.actor, 'unknown'),
        proofs.source,
        hits.moves,
        hits.first_move.before_ip,
        hits.first_move.source_ip
    ) AS summary,
    proofs.uids,
    proofs.evidence_count
FROM hits
INNER JOIN proofs USING (day, source, session_id)
ORDER BY proofs.day, subject, proofs.window_start, summary
