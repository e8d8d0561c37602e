-- question: How many events are there of each category? The most frequent first, at most $rows.
SELECT "category" AS value, "category" AS label, count(*) AS events FROM events WHERE "category" IS NOT NULL GROUP BY "category" ORDER BY events DESC, value LIMIT $rows
