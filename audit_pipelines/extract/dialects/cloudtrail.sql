-- Dialect: cloudtrail
-- id: eventID
-- time: eventTime
-- unit: ms
-- objects: userIdentity, requestParameters, responseElements, additionalEventData, tlsDetails
-- arrays: resources
--
-- AWS CloudTrail management, data and sign-in events (records of the delivered files). Actions without a
-- common name are <service>.<eventName>; docs/sources.md lists the common ones. CloudTrail tells what a
-- call asked for, not what stood there before, so changes is empty.
WITH parts AS (
  SELECT line, event_id, occurred_at, record, json_extract(record, [
    '$.eventSource', '$.eventName', '$.readOnly', '$.errorCode', '$.errorMessage', '$.eventCategory',
    '$.recipientAccountId', '$.sourceIPAddress', '$.userAgent', '$.requestID',
    '$.userIdentity.type', '$.userIdentity.principalId', '$.userIdentity.userName', '$.userIdentity.arn',
    '$.userIdentity.accountId', '$.userIdentity.accessKeyId', '$.userIdentity.invokedBy',
    '$.userIdentity.sessionContext.sessionIssuer.userName', '$.userIdentity.sessionContext.sessionIssuer.principalId',
    '$.responseElements.ConsoleLogin', '$.userIdentity.onBehalfOf.userId', '$.userIdentity.identityProvider']) AS j,
    json_extract(record, [
    '$.requestParameters.userName', '$.requestParameters.roleName', '$.requestParameters.groupName',
    '$.requestParameters.policyArn', '$.requestParameters.policyName', '$.requestParameters.accessKeyId',
    '$.responseElements.accessKey.accessKeyId', '$.requestParameters.bucketName', '$.requestParameters.key',
    '$.requestParameters.functionName', '$.requestParameters.secretId', '$.requestParameters.name',
    '$.requestParameters.instanceId', '$.requestParameters.instancesSet.items[0].instanceId',
    '$.requestParameters.dBInstanceIdentifier', '$.requestParameters.keyId', '$.requestParameters.groupId',
    '$.requestParameters.vpcId', '$.requestParameters.subnetId', '$.requestParameters.snapshotId',
    '$.requestParameters.volumeId', '$.requestParameters.imageId', '$.requestParameters.stackName',
    '$.requestParameters.trailName', '$.requestParameters.tableName', '$.requestParameters.clusterName',
    '$.requestParameters.topicArn', '$.requestParameters.queueUrl', '$.requestParameters.roleArn',
    '$.requestParameters.logGroupName', '$.requestParameters.modelId', '$.requestParameters.guardrailIdentifier']) AS k
  FROM records
),
-- what is an object or a list where a text belongs is NULL
texts AS (
  SELECT line, event_id, occurred_at, record,
    list_transform(j, lambda x: CASE WHEN x ^@ '{' OR x ^@ '[' THEN NULL ELSE x ->> '$' END) AS v,
    list_transform(k, lambda x: CASE WHEN x ^@ '{' OR x ^@ '[' THEN NULL ELSE x ->> '$' END) AS p
  FROM parts
),
named AS (
  SELECT line, event_id, occurred_at, record, p,
    regexp_replace(v[1], '\.amazonaws\.com$', '') AS service,
    v[2] AS event,
    v[3] AS read_only,
    v[4] IS NOT NULL OR v[5] IS NOT NULL OR v[20] = 'Failure' AS failed,
    v[6] AS event_kind,
    v[7] AS account,
    v[8] AS ip,
    v[9] AS user_agent,
    v[10] AS request_id,
    v[11] AS identity,
    v[12] AS principal,
    v[13] AS user_name,
    v[14] AS arn,
    v[15] AS own_account,
    v[16] AS access_key,
    v[17] AS invoked_by,
    v[18] AS role,
    v[19] AS role_id,
    nullif(split_part(v[12], ':', 2), '') AS session,
    v[21] AS on_behalf_of,
    starts_with(v[18], 'AWSReservedSSO_') OR contains(split_part(v[12], ':', 2), '@') AS is_person
  FROM texts
),
mapped AS (
  SELECT *,
    CASE
      WHEN service = 'signin' AND event = 'ConsoleLogin' THEN 'authentication.login'
      WHEN service IN ('sso', 'signin') AND event IN ('UserAuthentication', 'CredentialVerification') THEN 'authentication.login'
      WHEN service IN ('sso', 'signin') AND event IN ('Logout', 'ConsoleLogout') THEN 'authentication.logout'
      WHEN service = 'iam' AND event IN ('CreateAccessKey', 'CreateServiceSpecificCredential') THEN 'api_key.created'
      WHEN service = 'iam' AND event IN ('DeleteAccessKey', 'DeleteServiceSpecificCredential') THEN 'api_key.revoked'
      WHEN service IN ('iam', 'identitystore', 'sso-directory') AND event = 'CreateUser' THEN 'seat.added'
      WHEN service IN ('iam', 'identitystore', 'sso-directory') AND event = 'DeleteUser' THEN 'seat.removed'
      WHEN service = 'bedrock' AND event = 'CreateGuardrail' THEN 'guardrail.created'
      WHEN service = 'bedrock' AND event = 'UpdateGuardrail' THEN 'guardrail.updated'
      WHEN service = 'bedrock' AND event = 'DeleteGuardrail' THEN 'guardrail.deleted'
      WHEN service = 'cloudformation' AND event IN ('DetectStackDrift', 'DetectStackResourceDrift', 'DetectStackSetDrift')
        THEN 'drift_scan.initiated'
      WHEN event IS NULL THEN service
      ELSE concat_ws('.', service, event)
    END AS action
  FROM named
)
SELECT
  line,
  event_id,
  occurred_at,
  coalesce(account, own_account) AS org_id,
  CASE
    WHEN event IS NULL THEN 'other'
    WHEN service IN ('signin', 'sts', 'sso-oauth', 'cognito-idp')
      OR action IN ('authentication.login', 'authentication.logout', 'api_key.created', 'api_key.revoked')
      OR service = 'iam' AND read_only IS DISTINCT FROM 'true'
        AND regexp_matches(event, 'AccessKey|LoginProfile|MFADevice|ChangePassword|SSHPublicKey|SigningCertificate|ServiceSpecificCredential')
      THEN 'authentication'
    WHEN action LIKE 'drift_scan.%' THEN 'drift'
    WHEN event_kind = 'Data'
      OR service = 's3' AND regexp_matches(event, '^(Get|Put|Delete|Copy|Head|Restore|Select|Post)Objects?$')
      OR service = 'secretsmanager' AND event IN ('GetSecretValue', 'BatchGetSecretValue')
      OR service = 'ssm' AND event IN ('GetParameter', 'GetParameters', 'GetParametersByPath')
      OR service = 'ec2' AND event = 'GetPasswordData'
      THEN 'data'
    WHEN service IN ('aws-portal', 'billing', 'billingconsole', 'budgets', 'ce', 'cur', 'payments', 'invoicing', 'tax',
      'savingsplans', 'aws-marketplace', 'consolidatedbilling') THEN 'billing'
    WHEN read_only = 'true' OR event IN ('StartSession', 'ResumeSession', 'TerminateSession', 'SendCommand', 'SendSSHPublicKey',
      'SendSerialConsoleSSHPublicKey', 'SwitchRole', 'ExitRole') OR action IN ('seat.added', 'seat.removed') THEN 'access'
    WHEN read_only IS NULL AND regexp_matches(event, '^(Get|List|Describe|Head|Lookup|Search|Check|View|Query|Scan)') THEN 'access'
    ELSE 'configuration'
  END AS category,
  action,
  CASE WHEN failed THEN 'failure' WHEN event IS NULL THEN 'unknown' ELSE 'success' END AS outcome,
  CASE
    WHEN identity IN ('IAMUser', 'Root', 'FederatedUser', 'SAMLUser', 'WebIdentityUser', 'IdentityCenterUser', 'Directory')
      THEN 'user'
    WHEN identity IN ('AssumedRole', 'Role') THEN CASE WHEN is_person THEN 'user' ELSE 'service' END
    WHEN identity = 'AWSService' OR identity IS NULL AND invoked_by IS NOT NULL THEN 'system'
    ELSE 'unknown'
  END AS actor_type,
  -- a role's own id: its sessions come and go, but where they are named after a person
  CASE
    WHEN identity = 'AssumedRole' AND NOT coalesce(is_person, false) THEN coalesce(role_id, split_part(principal, ':', 1), arn)
    WHEN identity = 'AWSService' THEN coalesce(invoked_by, principal)
    ELSE coalesce(principal, on_behalf_of, arn, user_name, invoked_by, own_account)
  END AS actor_id,
  CASE
    WHEN identity = 'Root' THEN 'root'
    WHEN identity = 'AssumedRole' THEN nullif(concat_ws('/', role, session), '')
    WHEN identity = 'AWSService' THEN coalesce(invoked_by, principal)
    ELSE coalesce(user_name, nullif(regexp_extract(arn, '[^/:]+$'), ''), invoked_by, own_account)
  END AS actor_name,
  CASE
    WHEN contains(session, '@') THEN session
    WHEN contains(user_name, '@') THEN user_name
  END AS actor_email,
  CASE
    WHEN json_array_length(record, '$.resources') > 0 THEN list_transform(
      list_filter(coalesce(from_json(json_extract(record, '$.resources'), '["JSON"]'), []), lambda r: r ^@ '{'),
      lambda r: struct_pack(
        -- AWS::S3::Bucket, or the service in the ARN
        "type" := coalesce(
          CASE WHEN json_type(r, '$.type') = 'VARCHAR' THEN r ->> '$.type' END,
          CASE WHEN json_type(r, '$.ARN') = 'VARCHAR' THEN nullif(split_part(r ->> '$.ARN', ':', 3), '') END),
        id := CASE WHEN json_type(r, '$.ARN') = 'VARCHAR' THEN r ->> '$.ARN' END,
        "name" := CASE WHEN json_type(r, '$.ARN') = 'VARCHAR' THEN nullif(regexp_extract(r ->> '$.ARN', '[^:/]+$'), '') END))
    ELSE CAST(list_filter([
      CASE WHEN coalesce(p[6], p[7]) IS NOT NULL THEN {'type': 'api_key', 'id': coalesce(p[6], p[7]), 'name': CAST(NULL AS VARCHAR)} END,
      CASE WHEN p[1] IS NOT NULL THEN {'type': 'user', 'id': p[1], 'name': p[1]} END,
      CASE WHEN p[2] IS NOT NULL THEN {'type': 'role', 'id': p[2], 'name': p[2]} END,
      CASE WHEN p[29] IS NOT NULL THEN {'type': 'role', 'id': p[29], 'name': regexp_extract(p[29], '[^/:]+$')} END,
      CASE WHEN p[3] IS NOT NULL THEN {'type': 'group', 'id': p[3], 'name': p[3]} END,
      CASE WHEN coalesce(p[4], p[5]) IS NOT NULL
        THEN {'type': 'policy', 'id': coalesce(p[4], p[5]), 'name': coalesce(p[5], regexp_extract(p[4], '[^/]+$'))} END,
      CASE WHEN p[9] IS NOT NULL THEN {'type': 'object', 'id': concat_ws('/', p[8], p[9]), 'name': p[9]} END,
      CASE WHEN p[8] IS NOT NULL THEN {'type': 'bucket', 'id': p[8], 'name': p[8]} END,
      CASE WHEN p[10] IS NOT NULL THEN {'type': 'function', 'id': p[10], 'name': regexp_extract(p[10], '[^:]+$')} END,
      CASE WHEN p[11] IS NOT NULL THEN {'type': 'secret', 'id': p[11], 'name': regexp_extract(p[11], '[^:]+$')} END,
      CASE WHEN coalesce(p[24], p[12]) IS NOT NULL
        THEN {'type': CASE service WHEN 'cloudtrail' THEN 'trail' WHEN 'ssm' THEN 'parameter' WHEN 'secretsmanager' THEN 'secret'
          WHEN 'bedrock' THEN 'guardrail' ELSE service END, 'id': coalesce(p[24], p[12]), 'name': coalesce(p[24], p[12])} END,
      CASE WHEN coalesce(p[13], p[14]) IS NOT NULL
        THEN {'type': 'instance', 'id': coalesce(p[13], p[14]), 'name': CAST(NULL AS VARCHAR)} END,
      CASE WHEN p[15] IS NOT NULL THEN {'type': 'database', 'id': p[15], 'name': p[15]} END,
      CASE WHEN p[16] IS NOT NULL THEN {'type': 'key', 'id': p[16], 'name': CAST(NULL AS VARCHAR)} END,
      CASE WHEN p[17] IS NOT NULL THEN {'type': 'security_group', 'id': p[17], 'name': CAST(NULL AS VARCHAR)} END,
      CASE WHEN p[18] IS NOT NULL THEN {'type': 'vpc', 'id': p[18], 'name': CAST(NULL AS VARCHAR)} END,
      CASE WHEN p[19] IS NOT NULL THEN {'type': 'subnet', 'id': p[19], 'name': CAST(NULL AS VARCHAR)} END,
      CASE WHEN p[20] IS NOT NULL THEN {'type': 'snapshot', 'id': p[20], 'name': CAST(NULL AS VARCHAR)} END,
      CASE WHEN p[21] IS NOT NULL THEN {'type': 'volume', 'id': p[21], 'name': CAST(NULL AS VARCHAR)} END,
      CASE WHEN p[22] IS NOT NULL THEN {'type': 'image', 'id': p[22], 'name': CAST(NULL AS VARCHAR)} END,
      CASE WHEN p[23] IS NOT NULL THEN {'type': 'stack', 'id': p[23], 'name': p[23]} END,
      CASE WHEN p[25] IS NOT NULL THEN {'type': 'table', 'id': p[25], 'name': p[25]} END,
      CASE WHEN p[26] IS NOT NULL THEN {'type': 'cluster', 'id': p[26], 'name': p[26]} END,
      CASE WHEN p[27] IS NOT NULL THEN {'type': 'topic', 'id': p[27], 'name': regexp_extract(p[27], '[^:]+$')} END,
      CASE WHEN p[28] IS NOT NULL THEN {'type': 'queue', 'id': p[28], 'name': regexp_extract(p[28], '[^/]+$')} END,
      CASE WHEN p[30] IS NOT NULL THEN {'type': 'log_group', 'id': p[30], 'name': p[30]} END,
      CASE WHEN p[31] IS NOT NULL THEN {'type': 'model', 'id': p[31], 'name': p[31]} END,
      CASE WHEN p[32] IS NOT NULL THEN {'type': 'guardrail', 'id': p[32], 'name': CAST(NULL AS VARCHAR)} END
    ], lambda t: t IS NOT NULL) AS STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR)[])
  END AS targets,
  ip AS source_ip,
  user_agent,
  CAST([] AS STRUCT(field VARCHAR, "before" VARCHAR, "after" VARCHAR)[]) AS changes,
  access_key AS api_key_id,
  CAST(NULL AS VARCHAR) AS session_id,
  request_id
FROM mapped
