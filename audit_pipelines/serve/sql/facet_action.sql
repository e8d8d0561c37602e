-- question: How many events are there of each action? The most frequent first, at most $rows.
SELECT "action" AS value, "action" AS label, count(*) AS events FROM events WHERE "action" IS NOT NULL GROUP BY "action" ORDER BY events DESC, value LIMIT $rows
