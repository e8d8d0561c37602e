-- question: How many events are there of each source? The most frequent first, at most $rows.
SELECT "source" AS value, "source" AS label, count(*) AS events FROM events WHERE "source" IS NOT NULL GROUP BY "source" ORDER BY events DESC, value LIMIT $rows
