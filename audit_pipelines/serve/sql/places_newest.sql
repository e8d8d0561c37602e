-- question: At which leaves are the newest $rows events?
SELECT uid, epoch_us(occurred_at) AS time, leaf_index
FROM events
ORDER BY occurred_at DESC, uid DESC
LIMIT $rows
