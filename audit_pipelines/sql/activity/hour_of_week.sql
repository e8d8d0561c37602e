-- question: In which hours of the week does the organisation work?
-- controls: SOC2 CC7.2; ISO A.8.16
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive
-- parameter: timezone text = UTC: IANA name of the zone in which hours and weekdays are read

-- Zones differ from UTC by whole quarters of an hour: convert each quarter once, not each event.
WITH quarters AS (
    SELECT
        epoch_us(occurred_at) // 900000000 AS quarter,
        count(*) AS events
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
    GROUP BY quarter
),

counted AS (
    SELECT
        isodow(local_time) AS weekday,
        hour(local_time) AS hour,
        sum(events)::BIGINT AS events
    FROM (SELECT timezone($timezone, to_timestamp(quarter * 900)) AS local_time, events FROM quarters)
    GROUP BY ALL
)

SELECT
    weekdays.weekday, -- 1 = Monday
    hours.hour,
    coalesce(counted.events, 0) AS events
FROM (SELECT unnest(range(1, 8)) AS weekday) AS weekdays
CROSS JOIN (SELECT unnest(range(24)) AS hour) AS hours
LEFT JOIN counted ON weekdays.weekday = counted.weekday AND hours.hour = counted.hour
ORDER BY weekdays.weekday, hours.hour
