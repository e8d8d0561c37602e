-- question: Which addresses failed to sign in to many different accounts within an hour?
-- severity: high
-- controls: SOC2 CC6.1; SOC2 CC7.2; ISO A.8.16; PCI 10.2.1.4; PCI 10.4.1
-- lookback: 1
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: window_minutes integer = 60: length of the sliding window, at most 1440
-- parameter: accounts integer = 8: fewest different accounts that failed in one window
-- runbook: List actor_email of the evidence in time order: alphabetical or alike names mean a list was tried.
-- runbook: For each account named, look for a login with outcome success from source_ip after window_start; reset those that have one.
-- runbook: Block source_ip; if it is a shared office or proxy address, note it and who confirmed it.

WITH failures AS MATERIALIZED (
    SELECT
        uid,
        occurred_at,
        source_ip,
        source || '/' || lower(coalesce(actor_email, actor_name, actor_id)) AS account
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 1 DAY
        AND occurred_at < $until
        AND category = 'authentication'
        AND outcome = 'failure'
        AND source_ip IS NOT NULL
        AND coalesce(actor_email, actor_name, actor_id) IS NOT NULL
),

-- An address with fewer accounts in all cannot have enough in one window: spare it the costly count.
candidates AS (
    SELECT source_ip
    FROM failures
    GROUP BY source_ip
    HAVING count(DISTINCT account) >= $accounts
),

windows AS (
    SELECT
        source_ip,
        occurred_at,
        min(occurred_at) OVER recent AS first_at,
        count(DISTINCT account) OVER recent AS accounts
    FROM failures
    WHERE source_ip IN (SELECT candidates.source_ip FROM candidates)
    WINDOW recent AS (
        PARTITION BY source_ip
        ORDER BY occurred_at
        RANGE BETWEEN to_minutes($window_minutes) PRECEDING AND CURRENT ROW
    )
),

-- One hit an address and day: from the first full window to the last.
hits AS (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source_ip,
        min(first_at) AS window_start,
        max(occurred_at) AS window_end,
        max(accounts) AS peak
    FROM windows
    WHERE accounts >= $accounts AND occurred_at >= $since
    GROUP BY ALL
)

SELECT
    hits.day,
    hits.source_ip AS subject,
    hits.window_start,
    hits.window_end,
    hits.peak::DOUBLE AS score,
    format(
        '{} failed sign-ins from {} to {} accounts, up to {} accounts within {} minutes.',
        count(*), hits.source_ip, count(DISTINCT failures.account), hits.peak, $window_minutes
    ) AS summary,
    min_by(failures.uid, (failures.occurred_at, failures.uid), 100) AS uids,
    count(*) AS evidence_count
FROM hits
INNER JOIN failures
    ON
        hits.source_ip = failures.source_ip
        AND failures.occurred_at BETWEEN hits.window_start AND hits.window_end
GROUP BY hits.day, hits.source_ip, hits.window_start, hits.window_end, hits.peak
ORDER BY hits.day, subject, hits.window_start
