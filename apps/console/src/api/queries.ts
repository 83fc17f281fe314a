import { infiniteQueryOptions, keepPreviousData, QueryClient, queryOptions } from '@tanstack/react-query';
import { currentClient } from '../session/session';
import { momentsOf, type TimeSpan } from '../text/time-span';
import { mayPass } from './backoff';
import { ApiFailure, call, ofApi, ofClient, send, type Query } from './http';
import { agentPath, eventPath, type EventOwner } from './paths';
import type {
  Agent,
  AgentType,
  ChangeSeries,
  ClientSummary,
  ConsoleConfig,
  Delivery,
  DeliveryDetails,
  DeliverySeries,
  EventHealth,
  Explanation,
  Limit,
  Notice,
  Origin,
  ReceivedRequest,
  ReplayJob,
  StatusChange,
  WebhookSecret,
} from './types';

/** Everything that the pages read, with how often it is read anew. Keys begin with the client, so that two never mix. */

const SOON_MS = 3000;
const NOW_AND_THEN_MS = 10_000;
const MOST_RETRIES = 2;
const MOST_EVENTS = 1000;
const DELIVERIES_PER_PAGE = 50;
const NEWEST_NOTICES = 8;

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        retry: (count, error) => mayPass(error) && (isRateLimited(error) || count < MOST_RETRIES),
        retryDelay: (count, error) => waitOf(error) ?? 500 * 2 ** count,
        refetchOnWindowFocus: true,
        staleTime: 1000,
        placeholderData: keepPreviousData,
      },
    },
  });
}

export function isRateLimited(error: Error | null): error is ApiFailure {
  return error instanceof ApiFailure && error.status === 429;
}

function waitOf(error: Error): number | undefined {
  return error instanceof ApiFailure && error.retryAfter !== undefined ? error.retryAfter * 1000 : undefined;
}

/** The key of something of the client that is looked at. */
const key = (...parts: readonly unknown[]): readonly unknown[] => [currentClient(), ...parts];

const get = <T>(path: string, query?: Query) => {
  return ({ signal }: { readonly signal: AbortSignal }): Promise<T> => call<T>('GET', path, { signal, ...(query && { query }) });
};

export const configQuery = queryOptions({
  queryKey: ['config'],
  queryFn: get<ConsoleConfig>('/console/config.json'),
  staleTime: Infinity,
});

export const limitQuery = () =>
  queryOptions({
    queryKey: key('limit'),
    queryFn: get<Limit>(ofClient('/limit/')),
  });

export const agentQuery = (type: AgentType, id: number) =>
  queryOptions({
    queryKey: key('agent', type, id),
    queryFn: get<Agent>(agentPath(type, id)),
    refetchInterval: SOON_MS,
    placeholderData: undefined,
  });

export const agentSearchQuery = (q: string) =>
  queryOptions({ queryKey: key('agents', q), queryFn: get<Agent[]>(ofClient('/agent/'), { q, per_page: 20 }) });

export const historyQuery = (type: AgentType, id: number, since: string, until: string) =>
  queryOptions({
    queryKey: key('history', type, id, since, until),
    queryFn: get<StatusChange[]>(ofClient('/agent_status/history'), {
      agent_id: id,
      agent_type: type,
      since,
      until,
      order: 'desc',
      per_page: 1000,
    }),
    refetchInterval: SOON_MS,
  });

/** The last change before a moment: what the agent was when the day began. */
export const lastChangeBeforeQuery = (type: AgentType, id: number, until: string) =>
  queryOptions({
    queryKey: key('before', type, id, until),
    queryFn: get<StatusChange[]>(ofClient('/agent_status/history'), {
      agent_id: id,
      agent_type: type,
      until,
      order: 'desc',
      per_page: 1,
    }),
    staleTime: 60_000,
  });

export const explainQuery = (type: AgentType, id: number, at: string) =>
  queryOptions({ queryKey: key('explain', type, id, at), queryFn: get<Explanation>(`${agentPath(type, id)}/explain`, { at }) });

export interface EventFilter {
  readonly state?: string | undefined;
  readonly q?: string | undefined;
  readonly agent_id?: number | undefined;
}

export const eventsQuery = (filter: EventFilter = {}) =>
  queryOptions({
    queryKey: key('events', filter),
    queryFn: get<EventHealth[]>(ofClient('/agent_event_health/'), { ...filter, per_page: MOST_EVENTS }),
    refetchInterval: NOW_AND_THEN_MS,
  });

/** One agent event with its health, by its id alone: it may be an agent's or every agent's. */
export const eventQuery = (id: number) =>
  queryOptions({
    queryKey: key('event', id),
    queryFn: async ({ signal }) => {
      for (let page = 1; ; page += 1) {
        const query = { per_page: MOST_EVENTS, page };
        const events = await call<EventHealth[]>('GET', ofClient('/agent_event_health/'), { query, signal });
        const found = events.find((event) => event.id === id);
        if (found) return found;
        if (events.length < MOST_EVENTS) throw new ApiFailure(404, 'event_not_found', 'Agent event not found');
      }
    },
    refetchInterval: SOON_MS,
    placeholderData: undefined,
  });

export const replaysQuery = (owner: EventOwner, id: number) =>
  queryOptions({
    queryKey: key('replays', id),
    queryFn: get<ReplayJob[]>(`${eventPath(owner, id)}/replay/`),
    refetchInterval: ({ state }) => (state.data?.some(({ status }) => status === 'running') ? 1000 : NOW_AND_THEN_MS),
  });

export const ownEventsQuery = (type: AgentType, id: number) =>
  queryOptions({
    queryKey: key('own-events', type, id),
    queryFn: get<EventHealth[]>(ofClient('/agent_event_health/'), { agent_id: id, per_page: MOST_EVENTS }),
    refetchInterval: NOW_AND_THEN_MS,
  });

export interface DeliveryFilter extends TimeSpan {
  readonly status?: string | undefined;
  readonly agent_event_id?: number | undefined;
  readonly agent_id?: number | undefined;
}

/** Returns what to ask for now, by a filter. */
export function deliveryFilterQuery({ span, since, until, ...rest }: DeliveryFilter): Query {
  return { ...rest, ...momentsOf({ span, since, until }, Date.now()) };
}

export interface DeliveryPage {
  readonly deliveries: readonly Delivery[];
  /** Undefined at the end. */
  readonly next: string | undefined;
}

export const deliveriesQuery = (filter: DeliveryFilter, perPage = DELIVERIES_PER_PAGE) =>
  infiniteQueryOptions({
    queryKey: key('deliveries', filter, perPage),
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }): Promise<DeliveryPage> => {
      const query = { ...deliveryFilterQuery(filter), before: pageParam, per_page: perPage };
      const response = await send('GET', ofClient('/delivery/'), { query, signal });
      const next = response.headers.get('x-next-cursor') ?? undefined;
      return { deliveries: (await response.json()) as Delivery[], next };
    },
    getNextPageParam: ({ next }) => next,
    refetchOnWindowFocus: false, // the list must not move while it is read
    staleTime: 30_000,
  });

const FINISHED: ReadonlySet<string> = new Set(['delivered', 'failed', 'dropped']);

export const deliveryQuery = (id: string) =>
  queryOptions({
    queryKey: key('delivery', id),
    queryFn: get<DeliveryDetails>(ofClient(`/delivery/${encodeURIComponent(id)}`)),
    refetchInterval: ({ state }) =>
      state.data && FINISHED.has(state.data.status) && !state.data.resending ? NOW_AND_THEN_MS : SOON_MS / 2,
    placeholderData: undefined,
  });

export const changeSeriesQuery = (hours: number, step: number) =>
  queryOptions({
    queryKey: key('series', 'changes', hours),
    queryFn: ({ signal }) => call<ChangeSeries>('GET', ofClient('/series/changes'), { query: span(hours, step), signal }),
    refetchInterval: NOW_AND_THEN_MS,
  });

export const deliverySeriesQuery = (hours: number, step: number, agentEventId?: number) =>
  queryOptions({
    queryKey: key('series', 'deliveries', hours, agentEventId),
    queryFn: ({ signal }) =>
      call<DeliverySeries>('GET', ofClient('/series/deliveries'), {
        query: { ...span(hours, step), agent_event_id: agentEventId },
        signal,
      }),
    refetchInterval: NOW_AND_THEN_MS,
  });

function span(hours: number, step: number): Query {
  const until = Date.now();
  return { since: new Date(until - hours * 3_600_000).toISOString(), until: new Date(until).toISOString(), step };
}

export const originsQuery = () =>
  queryOptions({ queryKey: key('origins'), queryFn: get<Origin[]>(ofClient('/origin/')), refetchInterval: NOW_AND_THEN_MS });

export const noticesQuery = () =>
  queryOptions({
    queryKey: key('notices'),
    queryFn: get<Notice[]>(ofClient('/notice/'), { per_page: NEWEST_NOTICES }),
    refetchInterval: NOW_AND_THEN_MS,
  });

export const clientsQuery = (q: string) =>
  queryOptions({
    queryKey: ['clients', q],
    queryFn: get<ClientSummary[]>(ofApi('/client/'), { q }),
  });

export const secretsQuery = () =>
  queryOptions({
    queryKey: key('secrets'),
    queryFn: get<WebhookSecret[]>(ofClient('/webhook_secret/')),
  });

export const receivedQuery = () =>
  queryOptions({
    queryKey: key('received'),
    queryFn: get<ReceivedRequest[]>('/console/playground/received'),
    refetchInterval: 1000,
  });
