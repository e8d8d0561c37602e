-- question: Whose events are they? The most frequent first, at most $rows; an actor's address names it, else its id.
-- Grouped by three columns first: these are dictionaries in Parquet, and few rows are left for the rest.
SELECT coalesce(actor_email, actor_id, actor_name) AS value, max(coalesce(actor_name, actor_email, actor_id)) AS label, sum(n) AS events
FROM (SELECT actor_email, actor_id, actor_name, count(*) AS n FROM events GROUP BY ALL)
WHERE coalesce(actor_email, actor_id, actor_name) IS NOT NULL
GROUP BY value
ORDER BY events DESC, value
LIMIT $rows
