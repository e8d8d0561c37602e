-- question: From which addresses did people sign in, and from which did it fail?
-- controls: SOC2 CC6.1; SOC2 CC6.6; ISO A.8.16; PCI 10.2.1.4
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive
-- parameter: limit integer = 50: how many addresses are listed, those with the most failures and logins first

SELECT
    source_ip AS address, -- NULL: the source gives none
    count(*) FILTER (WHERE action = 'authentication.login' AND outcome <> 'failure') AS logins,
    count(*) FILTER (WHERE outcome = 'failure') AS failures,
    count(DISTINCT source || '/' || coalesce(actor_id, actor_email, actor_name)) AS actors,
    min(occurred_at) AS first_event,
    max(occurred_at) AS last_event
FROM events
WHERE
    occurred_at >= $since
    AND occurred_at < $until
    AND category = 'authentication'
    AND (action = 'authentication.login' OR outcome = 'failure')
GROUP BY source_ip
ORDER BY failures DESC, logins DESC, address
LIMIT $limit
