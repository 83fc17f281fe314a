import { Inject, Injectable } from '@nestjs/common';
import type { Principal } from '#auth';
import { ApiError } from '#http';
import type { AddressGuard } from '#webhook';
import { AgentRepository } from '../agents/agents.module.js';
import { ADDRESS_GUARD } from '../core.module.js';
import { rangeOf, type Paging } from '../http/paging.js';
import { agentNotFound, isAgent, notFound, type Scope } from '../http/path-params.js';
import { assertDestination } from '../http/request-body.js';
import { type Transaction, WebhookSecrets } from '../webhook-secrets/webhook-secrets.module.js';
import { AgentEventRepository, type Refusal } from './agent-event.repository.js';
import type { AgentEvent, AgentEventPatch, NewAgentEvent, NewAllAgentsEvent } from './agent-event.schema.js';

/** Adds, changes and removes agent events, and tells a caller why it was refused: contract §3. */
@Injectable()
export class AgentEvents {
  constructor(
    private readonly repository: AgentEventRepository,
    private readonly agents: AgentRepository,
    private readonly secrets: WebhookSecrets,
    @Inject(ADDRESS_GUARD) private readonly guard: AddressGuard,
  ) {}

  async find(scope: Scope, id: number): Promise<AgentEvent> {
    return (await this.repository.find(scope, id)) ?? this.missing(scope);
  }

  async list(scope: Scope, paging: Paging): Promise<AgentEvent[]> {
    const { skip, take } = rangeOf(paging);
    const found = await this.repository.list(scope, skip, take);
    if (found.length === 0) await this.assertAgent(scope);
    return found;
  }

  async add(scope: Scope, event: NewAgentEvent | NewAllAgentsEvent, by: Principal): Promise<AgentEvent> {
    assertDestination(event.url, this.guard);
    return (await this.repository.add(scope, event, by)) ?? this.addInTurn(scope, event, by);
  }

  async change(scope: Scope, id: number, patch: AgentEventPatch, by: Principal): Promise<AgentEvent> {
    if (patch.url !== undefined) assertDestination(patch.url, this.guard);
    return (await this.repository.change(scope, id, patch, by)) ?? this.missing(scope);
  }

  async remove(scope: Scope, id: number, by: Principal): Promise<void> {
    if (!(await this.repository.remove(scope, id, by))) await this.missing(scope);
  }

  /** Removes the agent events of the calling application; having none is no error. */
  async removeOwn(scope: Scope, by: Principal): Promise<void> {
    await this.assertAgent(scope);
    await this.repository.removeOf(scope, by);
  }

  /**
   * Adds an agent event the slow way: creates the client's missing secret, waits for its other writers, and says why it cannot be
   * added.
   */
  private async addInTurn(scope: Scope, event: NewAgentEvent | NewAllAgentsEvent, by: Principal): Promise<AgentEvent> {
    await this.assertAgent(scope);
    const ensureSecret = (transaction: Transaction) => this.secrets.ensure(scope.clientId, transaction);
    const added = await this.repository.addInTurn(scope, event, by, ensureSecret);
    if (typeof added === 'string') throw refusal(added, scope);
    return added;
  }

  private async assertAgent(scope: Scope): Promise<void> {
    if (isAgent(scope) && !(await this.agents.find(scope))) throw agentNotFound(scope);
  }

  private async missing(scope: Scope): Promise<never> {
    await this.assertAgent(scope);
    throw notFound('event_not_found');
  }
}

function refusal(code: Refusal, scope: Scope): ApiError {
  if (code === 'agent_not_found') return isAgent(scope) ? agentNotFound(scope) : notFound(code);
  return new ApiError(code, 'The limit of agent events is used up: remove some, or have the limit raised (/limit/ shows both)');
}
