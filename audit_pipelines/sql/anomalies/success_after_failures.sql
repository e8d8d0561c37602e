-- question: Which accounts were signed in to right after a row of failures?
-- severity: critical
-- controls: SOC2 CC6.1; SOC2 CC7.2; ISO A.8.16; PCI 10.2.1.4; PCI 10.4.1
-- lookback: 1
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: window_minutes integer = 30: how long before the success a failure counts, at most 1440
-- parameter: threshold integer = 8: fewest failures of the account before the success
-- runbook: Compare source_ip and user_agent of the success with the account's earlier logins; ask its owner by another channel.
-- runbook: If the owner did not do it, end session_id, reset the credentials and revoke the API keys made since window_start.
-- runbook: List every event of that session_id and of that source_ip after the success.

WITH attempts AS MATERIALIZED (
    SELECT
        uid,
        occurred_at,
        source,
        -- The source's id is often missing when a sign-in fails: match by what was typed.
        lower(coalesce(actor_email, actor_name, actor_id)) AS account,
        coalesce(actor_id, actor_email, actor_name) AS actor,
        outcome = 'failure' AS failed
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 1 DAY
        AND occurred_at < $until
        AND category = 'authentication'
        AND (outcome = 'failure' OR action = 'authentication.login')
        AND coalesce(actor_email, actor_name, actor_id) IS NOT NULL
),

-- Accounts that failed often enough in one window at all: the last failure before such a success ends one.
candidates AS (
    SELECT DISTINCT source, account
    FROM (
        SELECT
            source,
            account,
            occurred_at - lag(occurred_at, $threshold - 1) OVER (PARTITION BY source, account ORDER BY occurred_at) AS span
        FROM attempts
        WHERE failed
    )
    WHERE span <= to_minutes($window_minutes)
),

windows AS (
    SELECT
        source,
        account,
        actor,
        failed,
        occurred_at,
        count(*) FILTER (WHERE failed) OVER recent AS failures,
        min(occurred_at) FILTER (WHERE failed) OVER recent AS first_at
    FROM attempts
    INNER JOIN candidates USING (source, account)
    WINDOW recent AS (
        PARTITION BY source, account
        ORDER BY occurred_at
        RANGE BETWEEN to_minutes($window_minutes) PRECEDING AND CURRENT ROW
    )
),

-- One hit an account and day: from the first failure counted to the last such success.
hits AS (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source,
        account,
        min(actor) AS actor,
        min(first_at) AS window_start,
        max(occurred_at) AS window_end,
        max(failures) AS peak
    FROM windows
    WHERE NOT failed AND failures >= $threshold AND occurred_at >= $since
    GROUP BY ALL
)

SELECT
    hits.day,
    hits.actor AS subject,
    hits.window_start,
    hits.window_end,
    hits.peak::DOUBLE AS score,
    format(
        '{} signed in at {} after {} failures within {} minutes.',
        hits.actor, hits.source, hits.peak, $window_minutes
    ) AS summary,
    min_by(attempts.uid, (attempts.occurred_at, attempts.uid), 100) AS uids,
    count(*) AS evidence_count
FROM hits
INNER JOIN attempts
    ON
        hits.source = attempts.source
        AND hits.account = attempts.account
        AND attempts.occurred_at BETWEEN hits.window_start AND hits.window_end
GROUP BY hits.day, hits.source, hits.account, hits.actor, hits.window_start, hits.window_end, hits.peak
ORDER BY hits.day, subject, hits.window_start, summary
