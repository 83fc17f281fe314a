import { Injectable } from '@nestjs/common';
import type { StatusChange } from '#contracts';
import type { AgentEventEntity } from '#database';
import { ApiError } from '#http';
import { AgentEventRepository } from '../agent-events/agent-events.module.js';
import { loggedChangeViewOf, StatusLogRepository } from '../agent-status/agent-status.module.js';
import { AgentRepository, type AgentEver, type LastReportRow } from '../agents/agents.module.js';
import {
  DeliveryFactsRepository,
  type AttemptRow,
  DeliveryList,
  type ShownDelivery,
  triggeredAttemptViewOf,
  listedViewOf,
} from '../deliveries/deliveries.module.js';
import { notFound, type AgentRef } from '../http/path-params.js';
import {
  attemptsStep,
  changeStep,
  decisionStep,
  eventsStep,
  reasonOfDelivery,
  recordOfDeliveries,
  reportStep,
  withoutDelivery,
  type AtMoment,
  type DeliveryRecord,
} from './explanation.js';

/** More agent events than this, of the agent and of all, are not explained one by one. */
const MAX_EVENTS = 200;
/** Clocks differ, in milliseconds: who asks for now may be ahead. */
const CLOCK_LEAD_MS = 5000;

/** Explains what happened to an agent's last change up to a moment, from telemetry to attempts, in a few statements. */
@Injectable()
export class Explainer {
  constructor(
    private readonly agents: AgentRepository,
    private readonly agentEvents: AgentEventRepository,
    private readonly log: StatusLogRepository,
    private readonly facts: DeliveryFactsRepository,
    private readonly deliveries: DeliveryList,
  ) {}

  /** @throws ApiError where there never was such an agent, or the moment has not come */
  async explain(agent: AgentRef, asked: Date): Promise<unknown> {
    const now = new Date();
    if (asked.getTime() > now.getTime() + CLOCK_LEAD_MS) throw ApiError.invalid('at', 'must not be ahead of now');
    const at = asked > now ? now : asked;
    const found = await this.agents.findEver(agent);
    if (!found) throw notFound('agent_not_found');
    const [change, report, ofAgent, ofAll] = await Promise.all([
      this.log.lastAt(agent.clientId, agent.agentId, at),
      this.agents.lastReport(agent, at),
      this.agentEvents.list(agent, 0, MAX_EVENTS + 1),
      this.agentEvents.list({ clientId: agent.clientId }, 0, MAX_EVENTS + 1),
    ]);
    const moment = change ? { kind: 'change' as const, change } : await this.withoutChange(agent, found, at);
    const events = [...ofAgent.slice(0, MAX_EVENTS), ...ofAll.slice(0, MAX_EVENTS)];
    const hasMore = ofAgent.length > MAX_EVENTS || ofAll.length > MAX_EVENTS;
    const deliveries = change ? await this.deliveriesOf(agent.clientId, change, events) : [];
    const attempts = await this.facts.attemptsOfAll(deliveries);
    // Read last: what was dropped meanwhile is not taken for what never was.
    const record = recordOfDeliveries(moment, await this.facts.attemptsSince());
    const explained = events.map((event) =>
      explainEvent(
        event,
        moment,
        record,
        deliveries.find(({ agentEventId }) => agentEventId === event.id),
        attempts,
      ),
    );
    const countWithout = (notified: boolean | null): number =>
      explained.filter((event) => event.delivery === null && event.notified === notified).length;
    const known = new Set(events.map(({ id }) => id));
    const told = deliveries.map(({ state }) => state);
    return {
      at: at.toISOString(),
      agent: { ...found.view, ...(found.removedAt && { removed_at: found.removedAt.toISOString() }) },
      record: moment.kind === 'not_kept' ? 'not_kept' : 'kept',
      ...(moment.kind === 'not_kept' && { kept_since: moment.keptSince.toISOString() }),
      change: change ? loggedChangeViewOf(change) : null,
      last_report: report ? reportViewOf(report) : null,
      decision: decisionStep(moment, report).words,
      steps: [
        reportStep(moment, report),
        decisionStep(moment, report),
        changeStep(moment),
        eventsStep(moment, { told: told.length, notTold: countWithout(false), unknown: countWithout(null), hasMore }, record),
        attemptsStep(told, record),
      ],
      agent_events: [
        ...explained,
        ...deliveries.filter(({ agentEventId }) => !known.has(agentEventId)).map((delivery) => explainGone(delivery, attempts)),
      ],
    };
  }

  /** Tells why the log has no change of the agent up to a moment. */
  private async withoutChange({ clientId, agentId }: AgentRef, { view, createdAt }: AgentEver, at: Date): Promise<AtMoment> {
    const [next, keptSince] = await Promise.all([this.log.firstAfter(clientId, agentId, at), this.log.keptSince()]);
    const changesUntil = next ? next.sequence - 1 : view.sequence;
    if (at < keptSince || changesUntil > 0) return { kind: 'not_kept', at, keptSince };
    return at < createdAt ? { kind: 'not_seen', firstSeen: createdAt } : { kind: 'no_change' };
  }

  /** Reads the deliveries of a change, to the given agent events and to deleted ones. */
  private async deliveriesOf(
    clientId: number,
    change: StatusChange,
    events: readonly AgentEventEntity[],
  ): Promise<ShownDelivery[]> {
    const gone = await this.facts.removedEventsOf(clientId, change, MAX_EVENTS);
    const ids = new Set([...events.map(({ id }) => id), ...gone]);
    return this.deliveries.show(
      clientId,
      [...ids].map((agentEventId) => ({ agentEventId, changeId: change.id })),
    );
  }
}

type AttemptsByDelivery = ReadonlyMap<string, readonly AttemptRow[]>;

function explainEvent(
  event: AgentEventEntity,
  moment: AtMoment,
  record: DeliveryRecord,
  delivery: ShownDelivery | undefined,
  attempts: AttemptsByDelivery,
) {
  const { notified, reason } = delivery
    ? { notified: hasArrived(delivery), reason: reasonOfDelivery(delivery.state) }
    : withoutDelivery(event, moment, record);
  return {
    id: event.id,
    all_agents: event.agentId === null,
    url: event.url,
    method: event.method,
    event_type: event.eventType,
    notified,
    code: reason.code,
    reason: reason.words,
    delivery: delivery ? withAttempts(delivery, attempts) : null,
  };
}

function explainGone(delivery: ShownDelivery, attempts: AttemptsByDelivery): unknown {
  const { code, words } = reasonOfDelivery(delivery.state);
  const shown = withAttempts(delivery, attempts);
  return { id: delivery.agentEventId, deleted: true, notified: hasArrived(delivery), code, reason: words, delivery: shown };
}

function hasArrived({ state }: ShownDelivery): boolean {
  return state.status === 'delivered';
}

function withAttempts(delivery: ShownDelivery, attempts: AttemptsByDelivery): unknown {
  return { ...listedViewOf(delivery), attempts: (attempts.get(delivery.id) ?? []).map(triggeredAttemptViewOf) };
}

function reportViewOf({ reported_at, occurred_at, ...report }: LastReportRow): unknown {
  return { ...report, reported_at: reported_at.toISOString(), occurred_at: occurred_at?.toISOString() ?? null };
}
