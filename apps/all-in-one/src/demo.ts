/** What the all-in-one sets up and says so that a newcomer sees the main job at once: contract §8. */

export const DEMO_CLIENT_ID = 12;

/** The seed's own example of an agent. */
export const DEMO_AGENT = { clientId: DEMO_CLIENT_ID, agentType: 'local', agentId: 136, name: '000*094@ringme.ru' } as const;

export const DEMO_APPLICATIONS = [
  { app_id: 'demo', secret: 'demo-secret', client_id: DEMO_CLIENT_ID, access: 'all' as const },
  { app_id: 'platform', secret: 'platform-secret', client_id: DEMO_CLIENT_ID, access: 'platform' as const },
];

export interface Urls {
  readonly subscriptionApi: string;
  readonly presence: string;
  readonly dispatcher: string;
  /** Whether subscription-api serves the console. */
  readonly console: boolean;
  /** Undefined where the demo receiver is not run. */
  readonly receiver: string | undefined;
}

/** The text that the all-in-one prints when it is up. */
export function banner(urls: Urls, withDemo: boolean): string {
  const lines = [
    '',
    'Rollcall is running.',
    '',
    ...(urls.console ? [`  Console         ${urls.subscriptionApi}/console/`] : []),
    `  REST API        ${urls.subscriptionApi}/api/ver1.0`,
    `  API browser     ${urls.subscriptionApi}/api/docs`,
    `  Telemetry       ${urls.presence}/telemetry`,
    `  Dispatcher      ${urls.dispatcher}/health/ready`,
  ];
  if (urls.receiver !== undefined) lines.push(`  Demo receiver   ${urls.receiver}/received`);
  if (withDemo && urls.receiver !== undefined) lines.push(...demoLines(urls, urls.receiver));
  return [...lines, '', 'Ctrl-C stops it.', ''].join('\n');
}

function demoLines(urls: Urls, receiver: string): string[] {
  return [
    '',
    'Applications of client 12: demo / demo-secret (access all), platform / platform-secret (access platform).',
    'Try the main job, line by line, in another terminal:',
    '',
    '# 1. Tell us where to send the logins of agent 136',
    `curl -s -H "Authorization: Bearer ${tokenCommand(urls, 'demo')}" -H 'Content-Type: application/json' -d '{"url":"${receiver}/login","event_type":"agent-login","method":"GET"}' ${urls.subscriptionApi}/api/ver1.0/client/@me/agent/local/136/event/`,
    '# 2. Report that agent 136 has logged in',
    `curl -s -H "Authorization: Bearer ${tokenCommand(urls, 'platform')}" -H 'Content-Type: application/json' -d '{"client_id":"12","agent_type":"local","agent_id":136,"agent_status":"available","event_source":"api"}' ${urls.presence}/telemetry`,
    '# 3. See the notification (it also shows here)',
    `curl -s ${receiver}/received`,
  ];
}

/** Nothing but curl and sed, so that the lines work wherever a shell does. */
function tokenCommand(urls: Urls, app: string): string {
  return `$(curl -s -u ${app}:${app}-secret -d grant_type=client_credentials ${urls.subscriptionApi}/oauth/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`;
}
