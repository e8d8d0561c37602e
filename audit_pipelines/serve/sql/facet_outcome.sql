-- question: How many events are there of each outcome? The most frequent first, at most $rows.
SELECT "outcome" AS value, "outcome" AS label, count(*) AS events FROM events WHERE "outcome" IS NOT NULL GROUP BY "outcome" ORDER BY events DESC, value LIMIT $rows
