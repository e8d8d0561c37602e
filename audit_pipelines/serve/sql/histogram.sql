-- question: How many events, and how many failures, are there in each step of $step microseconds since 1970?
SELECT epoch_us(occurred_at) // $step * $step AS time, count(*) AS events, count(*) FILTER (outcome = 'failure') AS failures
FROM events
GROUP BY 1
ORDER BY 1
