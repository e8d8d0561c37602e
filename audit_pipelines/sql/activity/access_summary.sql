-- question: Who signed in, how often, from how many addresses, and how often did it fail?
-- controls: SOC2 CC6.1; SOC2 CC6.2; ISO A.8.16; PCI 10.2.1.4; PCI 10.2.1.5
-- parameter: since timestamp: start of the period, inclusive
-- parameter: until timestamp: end of the period, exclusive

SELECT
    source,
    coalesce(actor_id, actor_email, actor_name) AS actor, -- NULL: a sign-in that names nobody
    max(actor_name) AS actor_name,
    max(actor_email) AS actor_email,
    max(actor_type) AS actor_type,
    count(*) FILTER (WHERE action = 'authentication.login' AND outcome <> 'failure') AS logins,
    count(*) FILTER (WHERE outcome = 'failure') AS failures,
    count(*) FILTER (WHERE action = 'authentication.logout') AS logouts,
    count(*) FILTER (WHERE action = 'api_key.created') AS keys_created,
    count(*) FILTER (WHERE action = 'api_key.revoked') AS keys_revoked,
    count(DISTINCT source_ip) AS addresses,
    count(DISTINCT user_agent) AS agents,
    min(occurred_at) AS first_event,
    max(occurred_at) AS last_event
FROM events
WHERE
    occurred_at >= $since
    AND occurred_at < $until
    AND category = 'authentication'
GROUP BY source, coalesce(actor_id, actor_email, actor_name)
ORDER BY logins DESC, failures DESC, source, actor
