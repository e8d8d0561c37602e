-- question: Which drift scans were completed, and which are without a beginning or an end?
-- controls: SOC2 CC6.8; SOC2 CC7.1; ISO A.8.16
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

-- A beginning and an end belong together by target; the n-th of one with the n-th of the other.
WITH steps AS (
    SELECT
        source,
        target_id AS scan_id,
        action = 'drift_scan.initiated' AS begins,
        occurred_at,
        coalesce(actor_id, actor_email, actor_name) AS actor,
        row_number() OVER (PARTITION BY source, target_id, action ORDER BY occurred_at, uid) AS place
    FROM events
    WHERE
        occurred_at >= $since
        AND occurred_at < $until
        AND action IN ('drift_scan.initiated', 'drift_scan.completed')
)

SELECT
    source,
    scan_id,
    max(occurred_at) FILTER (WHERE begins) AS initiated_at,
    max(actor) FILTER (WHERE begins) AS initiated_by,
    max(occurred_at) FILTER (WHERE NOT begins) AS completed_at,
    (epoch_us(completed_at) - epoch_us(initiated_at)) / 1e6 AS seconds,
    CASE
        WHEN initiated_at IS NULL THEN 'no beginning'
        WHEN completed_at IS NULL THEN 'no end'
        ELSE 'paired'
    END AS state
FROM steps
GROUP BY source, scan_id, place
ORDER BY coalesce(initiated_at, completed_at), source, scan_id
