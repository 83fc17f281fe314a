import type { AgentStatus } from '#contracts';

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
  /** Where the dispatcher says whether it is ready, or the process for all of them. */
  readonly health: string;
  /** Whether subscription-api serves the console. */
  readonly console: boolean;
  /** Undefined where the demo receiver is not run. */
  readonly receiver: string | undefined;
  /** Where the person at the terminal reaches the demo receiver. Default: where notifications do. */
  readonly received?: string;
}

/** What the lines to paste depend on. */
export interface DemoState {
  /** The arguments by which curl calls as each of the demo applications. */
  readonly curlAs: Readonly<Record<'demo' | 'platform', string>>;
  /** The agent events that the demo's agent has. */
  readonly agentEvents: readonly DemoAgentEvent[];
  readonly agentStatus: AgentStatus;
}

export type DemoAgentEvent = Readonly<Record<'url' | 'event_type' | 'method', string>>;

/**
 * Writes the text that the all-in-one prints when it is up.
 *
 * @param demo undefined where the demo applications are not there
 */
export function banner(urls: Urls, demo: DemoState | undefined): string {
  const lines = [
    '',
    'Rollcall is running.',
    '',
    ...(urls.console ? [`  Console         ${urls.subscriptionApi}/console/`] : []),
    `  REST API        ${urls.subscriptionApi}/api/ver1.0`,
    `  API browser     ${urls.subscriptionApi}/api/docs`,
    `  Telemetry       ${urls.presence}/telemetry`,
    `  Dispatcher      ${urls.health}/health/ready`,
  ];
  const received = urls.received ?? urls.receiver;
  if (received !== undefined) lines.push(`  Demo receiver   ${received}/received`);
  if (demo && urls.receiver !== undefined) lines.push(...demoLines(urls, urls.receiver, received ?? urls.receiver, demo));
  return [...lines, '', 'Ctrl-C stops it.', ''].join('\n');
}

/** Each line works by itself, in any shell and at any time; nothing but curl is needed. */
function demoLines(urls: Urls, receiver: string, received: string, { curlAs, agentEvents, agentStatus }: DemoState): string[] {
  const events = `${urls.subscriptionApi}/api/ver1.0/client/@me/agent/${DEMO_AGENT.agentType}/${DEMO_AGENT.agentId}/event/`;
  const wanted: readonly DemoAgentEvent[] = [
    { url: `${receiver}/login`, event_type: 'agent-login', method: 'GET' },
    { url: `${receiver}/logout`, event_type: 'agent-logout', method: 'POST' },
  ];
  const missing = wanted.filter((event) => !agentEvents.some((there) => isSame(there, event)));
  // Pasted again it shall not add the same agent events once more; what somebody else has there before is left alone.
  const cleared = agentEvents.length === 0 ? [`${curlAs.demo} -X DELETE ${events}`] : [];
  const first =
    missing.length > 0
      ? [
          `# 1. Tell us where to send the logins and logouts of agent 136${cleared.length > 0 ? ', in place of what demo told before' : ''}`,
          `curl ${[...cleared, ...missing.map((event) => `${curlAs.demo} -d '${JSON.stringify(event)}' ${events}`)].join(' --next ')}`,
        ]
      : [
          '# 1. See where the logins and logouts of agent 136 are sent: the agent events are there from before',
          `curl ${curlAs.demo} ${events}`,
        ];
  return [
    '',
    'Applications of client 12: demo / demo-secret (access all), platform / platform-secret (access platform).',
    'Try the main job, line by line, in another terminal:',
    '',
    ...first,
    agentStatus === 'available'
      ? '# 2. Report that agent 136, who is logged in, logs out, and in again'
      : '# 2. Report that agent 136 logs in, and out again',
    `curl ${curlAs.platform} -d '${JSON.stringify(reports(agentStatus))}' ${urls.presence}/telemetry`,
    '# 3. See the notifications, both of them (they also show here)',
    `curl -s -o /dev/null '${received}/received?after=1&wait=5' --next -s '${received}/received?after=0&wait=5'`,
  ];
}

/** Two changes, whichever status the agent has, and the same one after them. */
function reports(agentStatus: AgentStatus): object[] {
  const other = agentStatus === 'available' ? 'logged_out' : 'available';
  const { clientId, agentType, agentId } = DEMO_AGENT;
  return [other, agentStatus].map((status) => ({
    client_id: String(clientId),
    agent_type: agentType,
    agent_id: agentId,
    agent_status: status,
    event_source: 'api',
  }));
}

function isSame(one: DemoAgentEvent, other: DemoAgentEvent): boolean {
  return one.url === other.url && one.event_type === other.event_type && one.method === other.method;
}
