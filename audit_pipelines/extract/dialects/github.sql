-- Dialect: github
-- id: _document_id
-- time: @timestamp, created_at
-- unit: ms
-- objects: data, actor_location, config
-- arrays:
--
-- GitHub's audit log of an organisation or enterprise (export, API, stream) and the security log of an
-- account. docs/sources.md lists which actions get a common name. The log states what has happened, so
-- the outcome is success but for actions that are failures by name. Texts that are objects or lists are
-- NULL, but of org and org_id a list gives its first element.
WITH parts AS (
  SELECT line, event_id, occurred_at, record, json_extract(record, [
    '$.action', '$.org', '$.org[0]', '$.org_id', '$.org_id[0]', '$.business', '$.business_id',
    '$.actor', '$.actor_id', '$.actor_is_bot', '$.external_identity_nameid', '$.actor_ip', '$.user_agent',
    '$.user', '$.user_id', '$.repo', '$.repo_id', '$.repository', '$.team', '$.data.team', '$.name', '$.integration',
    '$.integration_id', '$.hook_id', '$.data.hook_id', '$.token_id', '$.hashed_token', '$.user_programmatic_access_name',
    '$.request_id', '$.data.user', '$.repository_id', '$.team_id', '$.external_identity_username']) AS j
  FROM records
),
texts AS (
  SELECT line, event_id, occurred_at, record,
    list_transform(j, lambda x: CASE WHEN x ^@ '{' OR x ^@ '[' THEN NULL ELSE nullif(x ->> '$', '') END) AS v
  FROM parts
),
named AS (
  SELECT line, event_id, occurred_at, record,
    v[1] AS own_action,
    split_part(v[1], '.', 1) AS subject,
    coalesce(v[2], v[3]) AS org,
    coalesce(v[4], v[5]) AS org_key,
    v[6] AS business,
    v[7] AS business_key,
    v[8] AS actor,
    v[9] AS actor_key,
    v[10] AS is_bot,
    v[11] AS name_id,
    v[12] AS ip,
    v[13] AS user_agent,
    coalesce(v[14], v[30]) AS account,
    nullif(v[15], '0') AS account_key,
    coalesce(v[16], v[18]) AS repo,
    coalesce(v[17], v[31]) AS repo_key,
    coalesce(v[19], v[20]) AS team,
    v[32] AS team_key,
    coalesce(v[22], v[21]) AS integration,
    v[23] AS integration_key,
    coalesce(v[24], v[25]) AS hook_key,
    v[21] AS own_name,
    coalesce(v[26], v[27]) AS token_key,
    v[28] AS token,
    v[29] AS request_id,
    v[1] IN ('user.failed_login', 'user.two_factor_challenge_failure', 'user.two_factor_challenge_failed',
      'protected_branch.rejected_ref_update')
      OR regexp_matches(v[1], '[._](failure|failed|denied)$') AS failed,
    -- here token_key is the token that is the matter; elsewhere the one that was used
    split_part(v[1], '.', 1) IN ('personal_access_token', 'oauth_access', 'oauth_authorization', 'programmatic_access_request',
      'org_credential_authorization') AS about_token
  FROM texts
),
mapped AS (
  SELECT *,
    CASE
      WHEN own_action IN ('user.login', 'user.failed_login') THEN 'authentication.login'
      WHEN own_action = 'user.logout' THEN 'authentication.logout'
      WHEN own_action IN ('personal_access_token.create', 'oauth_access.create') THEN 'api_key.created'
      WHEN own_action IN ('personal_access_token.destroy', 'oauth_access.destroy') THEN 'api_key.revoked'
      WHEN own_action IN ('org.add_member', 'business.add_organization_member', 'copilot.cfb_seat_assignment_created') THEN 'seat.added'
      WHEN own_action IN ('org.remove_member', 'business.remove_member', 'copilot.cfb_seat_cancelled') THEN 'seat.removed'
      WHEN own_action = 'integration_installation.create' THEN 'integration.connected'
      WHEN own_action = 'integration_installation.destroy' THEN 'integration.disconnected'
      WHEN own_action IN ('account.plan_change', 'business.plan_change') THEN 'plan.changed'
      WHEN own_action IN ('pull_request.create_review_request', 'pull_request_review.request') THEN 'review.triggered'
      WHEN own_action = 'pull_request_review.submit' THEN 'review.completed'
      WHEN own_action IN ('protected_branch.create', 'repository_ruleset.create') THEN 'guardrail.created'
      WHEN own_action IN ('protected_branch.destroy', 'repository_ruleset.destroy') THEN 'guardrail.deleted'
      WHEN own_action = 'repository_ruleset.update'
        OR subject = 'protected_branch'
          AND own_action NOT IN ('protected_branch.policy_override', 'protected_branch.rejected_ref_update',
            'protected_branch.branch_allowances')
        THEN 'guardrail.updated'
      ELSE own_action
    END AS action
  FROM named
)
SELECT
  line,
  event_id,
  occurred_at,
  coalesce(org_key, org, business_key, business) AS org_id,
  CASE
    WHEN own_action IS NULL THEN 'other'
    WHEN subject = 'git' OR own_action IN ('repo.download_zip', 'user.audit_log_export', 'org.audit_log_export',
      'business.audit_log_export', 'org.audit_log_git_event_export', 'business.audit_log_git_event_export',
      'migration.create', 'dependency_graph.export', 'user.codespaces_trusted_repo_access_granted') THEN 'data'
    WHEN action IN ('seat.added', 'seat.removed') THEN 'access'
    WHEN subject IN ('billing', 'account', 'payment_method', 'marketplace_agreement_signature', 'marketplace_listing',
      'sponsors', 'copilot') OR action = 'plan.changed' THEN 'billing'
    WHEN subject IN ('pull_request', 'pull_request_review', 'pull_request_review_comment') THEN 'review'
    WHEN about_token OR subject IN ('two_factor_authentication', 'public_key', 'ssh_certificate_authority', 'passkey',
      'security_key', 'org_sso', 'external_identity', 'external_group', 'trusted_device', 'user_session', 'sessions')
      OR regexp_matches(own_action,
        '^user\.(login|logout|failed_login|.*password.*|.*device.*|two_factor.*|.*sign_in.*|.*session.*|.*recovery.*)$')
      OR regexp_matches(own_action, '^(org|business)\.(sso_response|.*saml.*|.*two_factor.*|.*identity.*|.*sso.*)$')
      THEN 'authentication'
    WHEN subject IN ('team', 'role', 'organization_moderators', 'organization_role', 'org_role', 'enterprise_team', 'organization_invitation')
      OR regexp_matches(own_action,
        '^(org|repo|business|project|user)\..*(member|admin|owner|collaborator|invit|moderator|billing_manager|promote|demote|suspend)')
      THEN 'access'
    WHEN action LIKE 'guardrail.%' OR action LIKE 'integration.%' OR regexp_matches(subject,
      '^(repo|org|business|enterprise|hook|integration|protected_branch|oauth_application|repository|secret_scanning|dependabot|'
      'dependency_graph|environment|actions|self_hosted_runner|runner|ip_allow_list|codespaces|packages|private_repository|'
      'advanced_security|code_scanning|audit_log|network_configuration|project|user)')
      OR subject IN ('business_advanced_security', 'workflows_policy') THEN 'configuration'
    ELSE 'other'
  END AS category,
  action,
  CASE WHEN own_action IS NULL THEN 'unknown' WHEN failed THEN 'failure' ELSE 'success' END AS outcome,
  CASE
    WHEN is_bot = 'true' OR suffix(actor, '[bot]') THEN 'service'
    WHEN actor IS NULL AND actor_key IS NULL THEN 'unknown'
    ELSE 'user'
  END AS actor_type,
  coalesce(actor_key, actor) AS actor_id,
  actor AS actor_name,
  CASE WHEN contains(name_id, '@') THEN name_id END AS actor_email,
  CAST(list_filter([
    CASE WHEN about_token AND coalesce(token_key, token) IS NOT NULL THEN {'type': 'token', 'id': token_key, 'name': token} END,
    CASE WHEN subject IN ('integration', 'integration_installation', 'oauth_application') AND coalesce(integration_key, integration) IS NOT NULL
      THEN {'type': 'integration', 'id': integration_key, 'name': integration} END,
    CASE WHEN subject = 'hook' AND coalesce(hook_key, own_name) IS NOT NULL
      THEN {'type': 'hook', 'id': hook_key, 'name': own_name} END,
    -- the account that is acted on; where it is the actor, only if nothing else is
    CASE WHEN coalesce(account, account_key) IS NOT NULL
      AND (account IS DISTINCT FROM actor OR coalesce(repo, repo_key, org, org_key, team, token_key, token, integration) IS NULL
        OR contains(own_action, 'member'))
      THEN {'type': 'user', 'id': account_key, 'name': account} END,
    CASE WHEN coalesce(team, team_key) IS NOT NULL THEN {'type': 'team', 'id': team_key, 'name': team} END,
    CASE WHEN coalesce(repo, repo_key) IS NOT NULL THEN {'type': 'repository', 'id': repo_key, 'name': repo} END,
    CASE WHEN coalesce(org, org_key) IS NOT NULL THEN {'type': 'organization', 'id': org_key, 'name': org} END,
    CASE WHEN coalesce(business, business_key) IS NOT NULL AND org IS NULL
      THEN {'type': 'enterprise', 'id': business_key, 'name': business} END
  ], lambda t: t IS NOT NULL) AS STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR)[]) AS targets,
  ip AS source_ip,
  user_agent,
  -- old_x and previous_x hold what x, or new_x, was before
  CAST(CASE WHEN contains(record, '"old_') OR contains(record, '"previous_') THEN
    list_transform(
      list_filter(json_keys(record), lambda k: k ^@ 'old_' OR k ^@ 'previous_'),
      lambda k: {
        'field': regexp_replace(k, '^(old|previous)_', ''),
        'before': json_extract(record, '/' || replace(replace(k, '~', '~0'), '/', '~1')),
        'after': coalesce(
          json_extract(record, '/' || replace(replace(regexp_replace(k, '^(old|previous)_', ''), '~', '~0'), '/', '~1')),
          json_extract(record, '/' || replace(replace(regexp_replace(k, '^(old|previous)_', 'new_'), '~', '~0'), '/', '~1')))})
    ELSE [] END AS STRUCT(field VARCHAR, "before" VARCHAR, "after" VARCHAR)[]) AS changes,
  CASE WHEN NOT coalesce(about_token, false) THEN token_key END AS api_key_id,
  CAST(NULL AS VARCHAR) AS session_id,
  request_id
FROM mapped
