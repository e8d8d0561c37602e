-- question: How many events does each day hold, from when to when, and how long was the longest silence?
-- controls: SOC2 CC2.1; SOC2 CC7.2; ISO A.8.15; PCI 10.2.1
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

WITH days AS (
    SELECT unnest(generate_series(make_timestamp(epoch_us($since))::DATE, make_timestamp(epoch_us($until) - 1)::DATE, INTERVAL 1 DAY))::DATE AS day
),

-- By actor first: distinct actors are then few rows to count.
totals AS (
    SELECT
        day,
        sum(events)::BIGINT AS events,
        min(first_event) AS first_event,
        max(last_event) AS last_event,
        count(actor) AS actors
    FROM (
        SELECT
            make_timestamp(epoch_us(occurred_at))::DATE AS day,
            source || '/' || coalesce(actor_id, actor_email, actor_name) AS actor,
            count(*) AS events,
            min(occurred_at) AS first_event,
            max(occurred_at) AS last_event
        FROM events
        WHERE occurred_at >= $since AND occurred_at < $until
        GROUP BY ALL
    )
    GROUP BY day
),

-- Silences are looked for between slots of ten seconds, which are far fewer than events.
slots AS (
    SELECT
        epoch_us(occurred_at) // 86400000000 AS day_number,
        epoch_us(occurred_at) // 10000000 AS slot,
        min(epoch_us(occurred_at)) AS first_us,
        max(epoch_us(occurred_at)) AS last_us
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
    GROUP BY ALL
),

gaps AS MATERIALIZED (
    SELECT
        day_number,
        -- the time before the first event of a day and after its last one count too
        greatest(max(first_us - before_us), (day_number + 1) * 86400000000 - max(last_us)) AS longest_us
    FROM (
        SELECT
            *,
            coalesce(lag(last_us) OVER (PARTITION BY day_number ORDER BY slot), day_number * 86400000000) AS before_us
        FROM slots
    )
    GROUP BY day_number
),

-- A silence inside a slot is shorter than ten seconds: only a day without a longer one, which is a very
-- busy day, is looked at event by event.
busy AS (
    SELECT
        moment // 86400000000 AS day_number,
        max(moment - before_us) AS longest_us
    FROM (
        SELECT
            moment,
            lag(moment) OVER (PARTITION BY moment // 86400000000 ORDER BY moment) AS before_us
        FROM (
            SELECT epoch_us(occurred_at) AS moment
            FROM events
            WHERE
                occurred_at >= $since
                AND occurred_at < $until
                AND epoch_us(occurred_at) // 86400000000 IN (SELECT gaps.day_number FROM gaps WHERE gaps.longest_us < 10000000)
        )
    )
    GROUP BY day_number
)

SELECT
    days.day,
    coalesce(totals.events, 0) AS events,
    totals.first_event,
    totals.last_event,
    coalesce(greatest(gaps.longest_us, busy.longest_us) / 1e6, 86400) AS longest_silence, -- seconds
    coalesce(totals.actors, 0) AS actors
FROM days
LEFT JOIN totals ON days.day = totals.day
LEFT JOIN gaps ON days.day = make_timestamp(gaps.day_number * 86400000000)::DATE
LEFT JOIN busy ON gaps.day_number = busy.day_number
ORDER BY days.day
