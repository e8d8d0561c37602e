-- question: How many events fulfil the filter?
SELECT count(*) AS events FROM events
