-- question: When are the oldest $rows events? Reads one column: the page itself then reads few rows of the others.
SELECT epoch_us(occurred_at) AS time FROM events ORDER BY occurred_at LIMIT $rows
