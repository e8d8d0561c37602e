-- question: Which are the newest $rows lines of a format? `formatted` is the format's SELECT over `events`.
SELECT uid, epoch_us(occurred_at) AS time, leaf_index, line
FROM formatted
ORDER BY occurred_at DESC, uid DESC
LIMIT $rows
