-- question: When are the newest $rows events? Reads one column: the page itself then reads few rows of the others.
SELECT epoch_us(occurred_at) AS time FROM events ORDER BY occurred_at DESC LIMIT $rows
