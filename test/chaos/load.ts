import { TELEMETRY_TOPIC } from '#contracts';
import { RestClient, type Urls } from '../support/client.js';
import type { KafkaTap } from '../support/kafka-tap.js';
import { eventually } from '../support/poll.js';
import type { Random } from './random.js';
import type { Accepted } from './checker.js';

/** Clients of the run; agents are spread over them. */
export const CLIENT_ID = 12;

interface AgentState {
  readonly agentId: number;
  /** Over which way in its telemetry goes: an agent's items keep one way, as one internal service would send them. */
  readonly viaKafka: boolean;
  changes: number;
  busy: boolean;
}

/**
 * Sends telemetry as internal services do: each item again until it is accepted, and never the next of an agent before.
 * Repeats, stale items and poison are mixed in; none of them may make a change.
 */
export class Load {
  private readonly agents: AgentState[];
  private readonly startedAt = Date.now();

  constructor(
    agentCount: number,
    private readonly tap: KafkaTap,
    private readonly presence: () => Urls,
    private readonly random: Random,
  ) {
    this.agents = Array.from({ length: agentCount }, (_, index) => ({
      agentId: index + 1,
      viaKafka: index % 2 === 0,
      changes: 0,
      busy: false,
    }));
  }

  get agentIds(): number[] {
    return this.agents.map(({ agentId }) => agentId);
  }

  get accepted(): Accepted[] {
    return this.agents.map(({ agentId, changes }) => ({ agentId, changes }));
  }

  /** Waits until nothing is being sent any more. */
  async settled(): Promise<void> {
    await eventually('the load to end', () => this.agents.every((agent) => !agent.busy), 150_000);
  }

  /** Lets about `count` agents change once, in one batch for each way in; returns when all of it was accepted. */
  async round(count: number): Promise<void> {
    const chosen = this.random.sample(
      this.agents.filter((agent) => !agent.busy),
      count,
    );
    for (const agent of chosen) agent.busy = true;
    try {
      await Promise.all([
        this.sendKafka(chosen.filter((agent) => agent.viaKafka)),
        this.sendHttp(chosen.filter((agent) => !agent.viaKafka)),
      ]);
      for (const agent of chosen) agent.changes += 1;
    } finally {
      for (const agent of chosen) agent.busy = false;
    }
  }

  private async sendKafka(agents: readonly AgentState[]): Promise<void> {
    if (agents.length === 0) return;
    const messages = agents.flatMap((agent) =>
      this.itemsOf(agent).map((item) => ({ key: keyOf(agent), value: JSON.stringify(item) })),
    );
    if (this.random.chance(0.3)) {
      messages.splice(this.random.below(messages.length), 0, { key: keyOf(agents[0]!), value: '{"poison":' });
    }
    await eventually('telemetry accepted by Kafka', () => this.tap.send(TELEMETRY_TOPIC, messages).then(() => true), 120_000);
  }

  private async sendHttp(agents: readonly AgentState[]): Promise<void> {
    if (agents.length === 0) return;
    const items = agents.flatMap((agent) => this.itemsOf(agent));
    await eventually(
      'telemetry accepted by presence',
      async () => {
        const platform = await RestClient.create(this.presence(), 'platform', 'platform-secret');
        const answer = await platform.telemetry(items);
        if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text.slice(0, 200)}`);
        const rejected = (answer.json as { result: string }[]).filter(({ result }) => result === 'rejected');
        if (rejected.length > 0) throw new Error(`rejected: ${JSON.stringify(rejected[0])}`);
        return true;
      },
      120_000,
    );
  }

  /** The next real change, with repeats of it and an old item of the other status around it. */
  private itemsOf(agent: AgentState): object[] {
    const status = agent.changes % 2 === 0 ? 'available' : 'logged_out';
    const other = agent.changes % 2 === 0 ? 'logged_out' : 'available';
    const item = {
      client_id: String(CLIENT_ID),
      agent_type: 'local',
      agent_id: agent.agentId,
      agent_status: status,
      event_source: 'api',
      extension_name: `${agent.agentId}@example.org`,
      // Rises with every change, whatever the clock does.
      occurred_at: new Date(this.startedAt + agent.changes).toISOString(),
    };
    const items: object[] = [item];
    if (this.random.chance(0.3)) items.push({ ...item });
    if (this.random.chance(0.2) && agent.changes > 0) {
      items.push({ ...item, agent_status: other, occurred_at: new Date(this.startedAt - 60_000).toISOString() });
    }
    return items;
  }
}

function keyOf({ agentId }: AgentState): string {
  return `${CLIENT_ID}:${agentId}`;
}
