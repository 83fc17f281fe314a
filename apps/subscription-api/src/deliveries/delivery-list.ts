import { Inject, Injectable } from '@nestjs/common';
import { ID_LIMIT } from '#contracts';
import type { ServiceSettings } from '#runtime';
import { SETTINGS } from '../core.module.js';
import { DeliveryFactsRepository, type DeliveryKey, type FoundDelivery } from './delivery-facts.repository.js';
import { searchOf, type DeliveryFilter } from './delivery-filter.js';
import { firstChangeIdOf, timeOf } from './delivery-id.js';
import type { Source, SourceParameters } from './delivery-sources.repository.js';
import { deliveryStateOf, type DeliveryState } from './delivery-state.js';
import { beginningsIn } from './delivery-window.js';

/** A delivery, and what it is doing. */
export interface ShownDelivery extends FoundDelivery {
  readonly state: DeliveryState;
}

/** Some deliveries, the newest first. */
export interface DeliveryPage {
  readonly deliveries: readonly ShownDelivery[];
  /** Where the next page begins; undefined: there is none. */
  readonly next: DeliveryKey | undefined;
}

const NO_CHANGE = '00000000-0000-0000-0000-000000000000';
/** A change's id is made, by the same clock, shortly before the change is: a span of changes is a little wider in ids, in milliseconds. */
const ID_SLACK_MS = 60_000;
/** No change is further ahead of this process's clock, in milliseconds; the partitions of the days ahead are left out. */
const CLOCK_LEAD_MS = 3_600_000;
/** What is looked at before all that is kept, in milliseconds. */
const LATELY_MS = 2 * 86_400_000;
/** Looks for one page; what a filter leaves out of more than these goes with the next page. */
const MAX_LOOKS = 20;
/** Deliveries that a filter which the statement cannot apply looks at, at least. */
const MIN_LOOK = 200;

/** Lists a client's deliveries, whatever they are doing: contract §3. */
@Injectable()
export class DeliveryList {
  constructor(
    private readonly facts: DeliveryFactsRepository,
    @Inject(SETTINGS) private readonly settings: Pick<ServiceSettings, 'DELIVERY_WINDOW'>,
  ) {}

  /** @param before deliveries before this one, as the list goes */
  async page(clientId: number, filter: DeliveryFilter, before: DeliveryKey | undefined, size: number): Promise<DeliveryPage> {
    const search = searchOf(filter, await this.facts.isOutage(clientId, filter.agentEventId));
    const isFiltered = filter.statuses !== undefined || filter.agentType !== undefined;
    const limit = (isFiltered ? Math.max(size, MIN_LOOK) : size) + 1;
    const deliveries: ShownDelivery[] = [];
    let from = before;
    for (let look = 0; look < MAX_LOOKS; look++) {
      let { sources } = search;
      let keys = await this.findNewest(sources, this.parametersOf(clientId, filter, search.outcomes, from, limit));
      if (sources.includes('behindByLog') && keys.length < limit) {
        sources = sources.map((source) => (source === 'behindByLog' ? 'behind' : source));
        keys = await this.findNewest(sources, this.parametersOf(clientId, filter, search.outcomes, from, limit));
      }
      for (const delivery of await this.show(clientId, keys)) {
        if (!matchesFilter(delivery, filter)) continue;
        if (deliveries.length === size) return { deliveries, next: deliveries.at(-1) };
        deliveries.push(delivery);
      }
      if (keys.length < limit) return { deliveries, next: undefined };
      from = keys.at(-1)!;
    }
    return { deliveries, next: from };
  }

  /** Lists the deliveries of one agent event, the oldest first. */
  async oldest(clientId: number, agentEventId: number, skip: number, take: number): Promise<ShownDelivery[]> {
    const { sources, outcomes } = searchOf({}, false);
    const parameters = this.parametersOf(clientId, { agentEventId }, outcomes, undefined, skip + take);
    const keys = await this.facts.find(sources, parameters, 'asc');
    return this.show(clientId, keys.slice(skip));
  }

  /** Reads deliveries with their state; keys that name no delivery are left out. */
  async show(clientId: number, keys: readonly DeliveryKey[]): Promise<ShownDelivery[]> {
    const found = await this.facts.read(clientId, keys);
    return found.flatMap((delivery) => {
      const state = deliveryStateOf(delivery.facts, this.settings.DELIVERY_WINDOW);
      return state ? [{ ...delivery, state }] : [];
    });
  }

  /**
   * Looks at the time before the end first that has enough attempts as far as they were counted, then at the last days, then at
   * all: of many agent events, each would otherwise answer a page of its own. What is found does not depend on it: whatever lies before a
   * window comes after everything in it.
   */
  private async findNewest(sources: readonly Source[], parameters: SourceParameters): Promise<DeliveryKey[]> {
    const [, , , , from, to, limit] = parameters;
    const end = Math.min(timeOf(to), Date.now() + ID_SLACK_MS);
    for (const beginning of (await this.beginnings(sources, parameters, end)).map(firstChangeIdOf)) {
      if (beginning <= from) continue;
      const keys = await this.facts.find(sources, parameters.with(4, beginning) as unknown as SourceParameters);
      if (keys.length >= limit) return keys;
    }
    return this.facts.find(sources, parameters);
  }

  /** Lists where to begin the search before searching everything, in milliseconds since the epoch. */
  private async beginnings(
    sources: readonly Source[],
    [clientId, agentEventId, , , , , limit, outcomes]: SourceParameters,
    end: number,
  ): Promise<number[]> {
    const lately = end - LATELY_MS;
    if (sources.includes('attemptedOfAgent')) return [lately];
    if (!sources.includes('attempted') && !sources.includes('unsuccessful')) return [];
    const needed = 2 * limit; // some of what was counted is of older changes
    const counted = await this.facts.beginningOf(clientId, agentEventId, outcomes, end, needed);
    // Nothing is counted of the time to come.
    return counted ? [...beginningsIn(counted, needed, Math.min(end, Date.now()), ID_SLACK_MS), lately] : [];
  }

  private parametersOf(
    clientId: number,
    { agentEventId, agentType, agentId, since, until }: DeliveryFilter,
    outcomes: readonly string[] | null,
    before: DeliveryKey | undefined,
    limit: number,
  ): SourceParameters {
    const from = since ? firstChangeIdOf(since.getTime() - ID_SLACK_MS) : NO_CHANGE;
    const ahead = Date.now() + CLOCK_LEAD_MS;
    const last = firstChangeIdOf(until ? Math.min(until.getTime() + ID_SLACK_MS, ahead) : ahead);
    const isCut = before !== undefined && before.changeId <= last;
    const [to, belowEvent] = isCut ? [before.changeId, before.agentEventId] : [last, ID_LIMIT];
    const { DELIVERY_WINDOW: window } = this.settings;
    return [clientId, agentEventId ?? null, agentType ?? null, agentId ?? null, from, to, limit, outcomes, window, belowEvent];
  }
}

/** Tells whether a delivery passes a filter. */
export function matchesFilter(
  { state, change, agentEventId }: ShownDelivery,
  { statuses, agentEventId: ofEvent, agentType, agentId, since, until }: DeliveryFilter,
): boolean {
  if (statuses && !statuses.includes(state.status)) return false;
  if (ofEvent !== undefined && agentEventId !== ofEvent) return false;
  if (agentType !== undefined && change?.agentType !== agentType) return false;
  if (agentId !== undefined && change?.agentId !== agentId) return false;
  if (since && change && change.changedAt < since.getTime()) return false;
  return !(until && change && change.changedAt >= until.getTime());
}
