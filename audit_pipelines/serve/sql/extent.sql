-- question: When are the first and the last event, in microseconds since 1970?
SELECT epoch_us(min(occurred_at)) AS oldest, epoch_us(max(occurred_at)) AS newest FROM events
