-- question: Which people worked from a network they were not seen on in the last 90 days?
-- severity: medium
-- controls: SOC2 CC6.6; SOC2 CC7.2; ISO A.8.16; PCI 10.4.1
-- lookback: 90
-- parameter: since timestamp: first day, 00:00 UTC, inclusive
-- parameter: until timestamp: day after the last, 00:00 UTC, exclusive
-- parameter: minimum_days integer = 10: on how many of the 90 days before the actor must have been seen (no finding before)
-- parameter: grain text = network: "network" compares the first two groups of an address, "address" the whole of it
-- runbook: Find the owner of the address (whois, VPN and office lists) and compare user_agent with the actor's other events.
-- runbook: Ask the actor by another channel whether they travelled or changed provider.
-- runbook: If not, end session_id, reset the credentials and read what the actor did from window_start on.

-- Daily counts first: the 90 days are looked at by day, actor and address, not by event.
WITH daily AS MATERIALIZED (
    SELECT
        make_timestamp(epoch_us(occurred_at))::DATE AS day,
        source,
        coalesce(actor_id, actor_email, actor_name) AS actor,
        source_ip
    FROM events
    WHERE
        occurred_at >= $since - INTERVAL 90 DAYS
        AND occurred_at < $until
        AND actor_type IN ('user', 'unknown')
        AND outcome <> 'failure' -- whoever fails to sign in as somebody teaches us nothing about them
        AND source_ip IS NOT NULL
        AND coalesce(actor_id, actor_email, actor_name) IS NOT NULL
    GROUP BY ALL
),

networks AS (
    SELECT DISTINCT
        day,
        source,
        actor,
        source_ip,
        CASE
            WHEN $grain = 'address' THEN source_ip
            WHEN contains(source_ip, ':')
                THEN split_part(source_ip, ':', 1) || ':' || coalesce(nullif(split_part(source_ip, ':', 2), ''), '0')
            ELSE split_part(source_ip, '.', 1) || '.' || split_part(source_ip, '.', 2)
        END AS network
    FROM daily
    -- Some sources put a word where the address should be.
    WHERE contains(source_ip, ':') OR regexp_full_match(source_ip, '\d+\.\d+\.\d+\.\d+')
),

seen AS (
    SELECT
        day,
        source,
        actor,
        network,
        lag(day) OVER (PARTITION BY source, actor, network ORDER BY day) AS day_before
    FROM (SELECT DISTINCT day, source, actor, network FROM networks)
),

active AS (
    SELECT
        day,
        source,
        actor,
        count(*) OVER (
            PARTITION BY source, actor
            ORDER BY day
            RANGE BETWEEN INTERVAL 90 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
        ) AS days
    FROM (SELECT DISTINCT day, source, actor FROM networks)
),

hits AS MATERIALIZED (
    SELECT
        seen.day,
        seen.source,
        seen.actor,
        seen.network,
        active.days,
        networks.source_ip
    FROM seen
    INNER JOIN active USING (day, source, actor)
    INNER JOIN networks USING (day, source, actor, network)
    WHERE
        seen.day >= make_timestamp(epoch_us($since))::DATE
        AND (seen.day_before IS NULL OR seen.day - seen.day_before > 90)
        AND active.days >= $minimum_days
)

SELECT
    hits.day,
    hits.actor AS subject,
    min(events.occurred_at) AS window_start,
    max(events.occurred_at) AS window_end,
    count(*)::DOUBLE AS score,
    format(
        '{} acted {} time(s) at {} from {}, a network not seen for them in 90 days ({} days with events).',
        hits.actor, count(*), hits.source, min(events.source_ip), hits.days
    ) AS summary,
    min_by(events.uid, (events.occurred_at, events.uid), 100) AS uids,
    count(*) AS evidence_count
FROM events
INNER JOIN hits
    ON
        events.source_ip = hits.source_ip
        AND coalesce(events.actor_id, events.actor_email, events.actor_name) = hits.actor
        AND events.source = hits.source
        AND make_timestamp(epoch_us(events.occurred_at))::DATE = hits.day
WHERE
    events.occurred_at >= $since
    AND events.occurred_at < $until
    AND events.actor_type IN ('user', 'unknown')
    AND events.outcome <> 'failure'
GROUP BY hits.day, hits.source, hits.actor, hits.network, hits.days
ORDER BY hits.day, subject, window_start, window_end, summary
