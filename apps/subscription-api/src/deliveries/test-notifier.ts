import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { uuidv7 } from 'uuidv7';
import type { AgentStatus, AgentType } from '#contracts';
import { buildRequest, deliveryId, encodePairs, WebhookClient } from '#webhook';
import type { AgentEvent } from '../agent-events/agent-events.module.js';
import { AgentRepository } from '../agents/agents.module.js';
import { WebhookSecrets } from '../webhook-secrets/webhook-secrets.module.js';
import type { TestResultView } from './delivery.schema.js';

/** What a test for all agents says where the client has no agent yet. */
const PLACEHOLDER = { id: 0, name: 'test' };

/** Sends a notification that is marked as a test, at once and once, outside of every lane: contract §3 and §6. */
@Injectable()
export class TestNotifier implements OnModuleDestroy {
  constructor(
    private readonly client: WebhookClient,
    private readonly agents: AgentRepository,
    private readonly secrets: WebhookSecrets,
  ) {}

  async onModuleDestroy(): Promise<void> {
    await this.client.close();
  }

  async send(event: AgentEvent): Promise<TestResultView> {
    const [agent, keys] = await Promise.all([this.agentOf(event), this.secrets.signingKeys(event.clientId)]);
    const agentStatus: AgentStatus = event.eventType === 'agent-login' ? 'available' : 'logged_out';
    const now = Date.now();
    const request = buildRequest({
      method: event.method,
      url: event.url,
      pairs: encodePairs({ agentStatus, agentType: agent.type, eventSource: 'api', agentId: agent.id, name: agent.name }),
      id: deliveryId(uuidv7(), event.id),
      attempt: 1,
      sequence: agent.sequence,
      occurredAt: now,
      at: now,
      keys,
      test: true,
    });
    const result = await this.client.sendByHand(request, event.clientId);
    const latency_ms = Math.round(result.latencyMs);
    if ('error' in result) return { status: null, latency_ms, body: null, error: result.error };
    return { status: result.status, latency_ms, body: result.body, error: null };
  }

  private async agentOf({
    clientId,
    agentId,
    agentType,
  }: AgentEvent): Promise<{ id: number; type: AgentType; name: string; sequence: number }> {
    const agent =
      agentId !== null && agentType !== null
        ? await this.agents.find({ clientId, agentId, agentType })
        : (await this.agents.list(clientId, agentType ?? undefined, 0, 1))[0];
    if (!agent) return { ...PLACEHOLDER, type: agentType ?? 'local', sequence: 0 };
    return {
      id: agent.id,
      type: agent.agent_type,
      name: agent.extension_name ?? agent.agent_number ?? '',
      sequence: agent.sequence,
    };
  }
}
