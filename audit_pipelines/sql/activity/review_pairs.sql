-- question: How many reviews were triggered and completed on each day, and how many are without an end?
-- controls: SOC2 CC8.1; ISO A.8.16
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

-- A beginning and an end belong together by target; a review counts on the day of its first event.
WITH reviews AS (
    SELECT
        source,
        target_id,
        make_timestamp(epoch_us(min(occurred_at)))::DATE AS day,
        count(*) FILTER (WHERE action = 'review.triggered') AS triggered,
        count(*) FILTER (WHERE action = 'review.completed') AS completed
    FROM events
    WHERE
        occurred_at >= $since
        AND occurred_at < $until
        AND action IN ('review.triggered', 'review.completed')
    GROUP BY source, target_id
)

SELECT
    day,
    source,
    sum(triggered)::BIGINT AS triggered,
    sum(completed)::BIGINT AS completed,
    sum(greatest(triggered - completed, 0))::BIGINT AS without_end,
    sum(greatest(completed - triggered, 0))::BIGINT AS without_beginning
FROM reviews
GROUP BY day, source
ORDER BY day, source
