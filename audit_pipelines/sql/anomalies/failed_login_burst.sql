-- question: Which addresses failed to sign in again and again within minutes?
-- severity: high
-- controls: SOC2 CC6.1; SOC2 CC7.2; ISO A.8.16; PCI 10.2.1.4; PCI 10.4.1
-- lookback: 1
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: window_minutes integer = 10: length of the sliding window, at most 1440
-- parameter: threshold integer = 10: fewest failures of one address in one window
-- runbook: Read user_agent and actor_email of the evidence: one client and many accounts is an attack, one account is a person or a script.
-- runbook: Look for a login of the same source_ip with outcome success after window_start; if there is one, end its session_id and change the credentials.
-- runbook: Block source_ip at the identity provider, or write down whose it is and why it failed.

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
),

-- Every failure with those of its address in the minutes up to it.
windows AS (
    SELECT
        source_ip,
        occurred_at,
        min(occurred_at) OVER recent AS first_at,
        count(*) OVER recent AS failures
    FROM failures
    WINDOW recent AS (
        PARTITION BY source_ip
        ORDER BY occurred_at
        RANGE BETWEEN to_minutes($window_minutes) PRECEDING AND CURRENT ROW
    )
),

-- One hit an address and day: from the first full window to the last.
hits AS (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day, -- UTC, whatever the session's zone
        source_ip,
        min(first_at) AS window_start,
        max(occurred_at) AS window_end,
        max(failures) AS peak
    FROM windows
    WHERE failures >= $threshold AND occurred_at >= $since
    GROUP BY ALL
)

SELECT
    hits.day,
    hits.source_ip AS subject,
    hits.window_start,
    hits.window_end,
    hits.peak::DOUBLE AS score,
    format(
        '{} failed sign-ins from {} to {} account(s), up to {} within {} minutes.',
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
