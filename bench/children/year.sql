-- One day of made-up events from their number alone. $day: the day; $number: its ordinal; $count: events.
-- Events come in pairs (a review begins and ends), so what they share hangs on i // 2.
WITH numbers AS (
    SELECT
        range AS i,
        range // 2 AS pair,
        hash(range, $number) AS h,
        hash(range // 2, $number, 'pair') AS p
    FROM range($count)
),
chosen AS (
    SELECT
        *,
        timezone('UTC', CAST($day AS TIMESTAMP)) + to_microseconds(CAST((i + (h % 1000) / 1000) * 86400000000 / ($count + 1) AS BIGINT)) AS occurred_at,
        -- forty failures within a minute or so, then a success
        $number % 10 = 0 AND i BETWEEN $count // 2 AND $count // 2 + 40 AS attack,
        i * 24 // $count AS hour,
        p % 1000 AS kind,
        -- 6 of 10 events are a service's; of the people some do much, most do little
        (p >> 10) % 10 < 6 AS machine,
        ((p >> 14) % 2000) * ((p >> 26) % 2000) // 2000 AS person,
        (p >> 14) % 400 AS service
    FROM numbers
),
acted AS (
    SELECT
        *,
        CASE
            WHEN attack THEN 'authentication.login'
            WHEN kind < 700 THEN CASE WHEN i % 2 = 0 THEN 'review.triggered' ELSE 'review.completed' END
            WHEN kind < 705 THEN CASE WHEN i % 2 = 0 THEN 'drift_scan.initiated' ELSE 'drift_scan.completed' END
            -- people change settings in working hours
            WHEN kind < 709 AND hour BETWEEN 8 AND 17 AND isodow($day) < 6
                THEN ['guardrail.updated', 'guardrail.updated', 'guardrail.created', 'integration.connected', 'api_key.created', 'seat.added'][CAST(1 + (p >> 40) % 6 AS BIGINT)]
            WHEN kind < 950 THEN 'authentication.login'
            ELSE 'authentication.logout'
        END AS action
    FROM chosen
),
known AS (
    SELECT
        *,
        split_part(action, '.', 1) AS subject,
        machine AND NOT attack AND action NOT LIKE 'guardrail.%' AND action NOT LIKE 'integration.%'
            AND action NOT LIKE 'api_key.%' AND action NOT LIKE 'seat.%' AS by_service
    FROM acted
),
named AS (
    SELECT
        *,
        CASE WHEN by_service THEN 'svc_' || printf('%012x', hash(service, 'service') & 281474976710655)
            ELSE 'usr_' || printf('%012x', hash(person, 'person') & 281474976710655) END AS actor_id,
        'evt_' || printf('%08x%016x', $number, h) AS event_id,
        format('{:04x}', hash(person, 'home') & 65535) AS place,
        subject = 'guardrail' AND (p >> 44) % 100 = 0 AS weakened
    FROM known
)
SELECT
    'bulk/' || event_id AS uid,
    event_id,
    occurred_at,
    'bulk' AS source,
    'terracotta' AS dialect,
    'org_1c10f9392a99' AS org_id,
    CASE subject
        WHEN 'review' THEN 'review' WHEN 'drift_scan' THEN 'drift' WHEN 'seat' THEN 'billing'
        WHEN 'guardrail' THEN 'configuration' WHEN 'integration' THEN 'configuration' ELSE 'authentication' END AS category,
    action,
    CASE WHEN attack AND i < $count // 2 + 40 OR action = 'authentication.login' AND NOT attack AND (h >> 20) % 50 = 0
        THEN 'failure' ELSE 'success' END AS outcome,
    CASE WHEN by_service THEN 'service' ELSE 'user' END AS actor_type,
    actor_id,
    CASE WHEN by_service THEN 'service-' || service ELSE 'Person ' || person END AS actor_name,
    CASE WHEN by_service THEN 'service-' || service ELSE 'person.' || person END || '@larkspur.example' AS actor_email,
    CASE subject
        WHEN 'review' THEN [
            struct_pack("type" := 'review', id := 'rev_' || printf('%010x', p & 1099511627775), "name" := '#' || (p >> 50)),
            struct_pack("type" := 'repository', id := 'repo_' || printf('%010x', hash((p >> 30) % 300) & 1099511627775), "name" := 'apps/module-' || ((p >> 30) % 300))]
        WHEN 'drift_scan' THEN [struct_pack("type" := 'drift_scan', id := 'scan_' || printf('%010x', p & 1099511627775), "name" := NULL)]
        WHEN 'authentication' THEN [struct_pack("type" := 'organisation', id := 'org_1c10f9392a99', "name" := 'Larkspur Freight Systems')]
        ELSE [struct_pack("type" := subject, id := subject || '_' || ((p >> 30) % 500), "name" := subject || ' ' || ((p >> 30) % 500))]
    END AS targets,
    targets[1]."type" AS target_type,
    targets[1].id AS target_id,
    targets[1]."name" AS target_name,
    CASE
        WHEN attack THEN '198.51.100.7'
        WHEN by_service THEN '192.0.2.' || (service % 250)
        -- some people's home network is new every few months
        ELSE '10.' || (person % 250) || '.' || ((person // 250 + $number // (60 + person % 90)) % 200) || '.' || (person % 240 + 1)
    END AS source_ip,
    CASE WHEN by_service THEN 'agent-' || (service % 20) || '/1.4' ELSE 'Mozilla/5.0 (X11; Linux x86_64) Build/' || (person % 12) END AS user_agent,
    CASE WHEN action = 'guardrail.updated' THEN [
        struct_pack(field := 'mode', "before" := CASE WHEN weakened THEN '"block"' ELSE '"warn"' END, "after" := CASE WHEN weakened THEN '"warn"' ELSE '"block"' END),
        struct_pack(field := 'threshold', "before" := CAST((h >> 30) % 90 AS VARCHAR), "after" := CAST(90 + (h >> 40) % 9 AS VARCHAR))]
        ELSE [] END AS changes,
    CASE WHEN by_service THEN 'key_' || printf('%016x', hash(service, 'key')) END AS api_key_id,
    CASE WHEN NOT by_service THEN 'ses_' || printf('%016x', hash(person, $number, 'session')) END AS session_id,
    'req_' || printf('%016x', hash(i, $number, 'request')) AS request_id,
    timezone('UTC', CAST($day AS TIMESTAMP)) + INTERVAL 25 HOURS AS extracted_at,
    CAST(i AS INTEGER) AS line
FROM named
