/** What the REST API answers, as far as the console reads it: contract §3. */

export type Access = 'call_api' | 'all' | 'platform';
export type AgentType = 'local' | 'remote';
export type AgentStatus = 'available' | 'logged_out';
export type EventType = 'agent-login' | 'agent-logout';
export type Method = 'GET' | 'POST';

export interface ConsoleConfig {
  readonly version: string;
  readonly issuer: {
    readonly issuer: string;
    readonly audience: string;
    readonly client_id?: string | null;
    readonly authorization_endpoint?: string | null;
    readonly token_endpoint?: string | null;
  } | null;
  readonly demo: readonly { readonly app_id: string; readonly secret: string; readonly access: Access }[];
  readonly playground: boolean;
}

export interface User {
  readonly login: string;
  readonly client_id: number;
  readonly access: Access;
}

export interface Agent {
  readonly id: number;
  readonly agent_type: AgentType;
  readonly extension_name?: string;
  readonly agent_number?: string;
  readonly agent_status: AgentStatus;
  readonly status_since: string | null;
  readonly sequence: number;
}

export interface StatusChange {
  readonly id: string;
  readonly cursor: number;
  readonly agent_id: number;
  readonly agent_type: AgentType;
  readonly extension_name?: string;
  readonly agent_number?: string;
  readonly agent_status: AgentStatus;
  readonly event_source: 'api' | 'phone';
  readonly sequence: number;
  readonly occurred_at: string;
  readonly changed_at: string;
}

export interface AgentEvent {
  readonly id: number;
  readonly url: string;
  readonly method: Method;
  readonly event_type: EventType;
  readonly agent_type?: AgentType | null;
}

export interface AgentRef {
  readonly id: number;
  readonly agent_type: AgentType;
  readonly name?: string | null;
}

export type HealthState = 'active' | 'failing' | 'suspended';

export interface Attempt {
  readonly attempt: number;
  readonly at: string;
  readonly latency_ms: number;
  readonly outcome: 'delivered' | 'retry' | 'failed' | 'dropped';
  readonly http_status: number | null;
  readonly error: string | null;
  readonly response: string | null;
  readonly trigger?: 'first' | 'retry' | 'redeliver' | 'replay';
}

/** An agent event with its health: a row of `/agent_event_health/`. */
export interface EventHealth extends AgentEvent {
  readonly agent: AgentRef | null;
  readonly state: HealthState;
  readonly reason: 'gone' | 'failing' | 'paused' | null;
  readonly since: string | null;
  readonly waiting: number;
  readonly oldest_waiting: string | null;
  readonly last_outcome: (Attempt & { readonly delivery_id: string }) | null;
  readonly day: { readonly delivered: number; readonly failed: number } | null;
}

export type DeliveryStatus = 'sending' | 'waiting' | 'retrying' | 'suspended' | 'delivered' | 'failed' | 'dropped';

export interface WaitingFor {
  readonly reason: 'earlier' | 'suspended' | 'origin' | 'due' | 'sending';
  readonly delivery_id?: string;
  readonly since?: string | null;
}

export interface Delivery {
  readonly id: string;
  readonly agent_event: {
    readonly id: number;
    readonly url: string | null;
    readonly method: Method | null;
    readonly event_type: EventType | null;
    readonly all_agents: boolean | null;
    readonly deleted?: boolean;
  };
  readonly agent: AgentRef | null;
  readonly change: {
    readonly id: string;
    readonly agent_status: AgentStatus;
    readonly event_source: 'api' | 'phone';
    readonly sequence: number;
    readonly occurred_at: string;
    readonly changed_at: string;
  } | null;
  readonly status: DeliveryStatus;
  readonly resending?: boolean;
  readonly waiting_for: WaitingFor | null;
  readonly next_attempt_at: string | null;
  readonly expires_at: string | null;
  readonly attempts_count: number;
  readonly last_attempt: Attempt | null;
  readonly attempts?: readonly Attempt[];
  readonly request?: SentRequest | null;
}

export interface SentRequest {
  readonly method: Method;
  readonly url: string;
  readonly body: string | null;
  readonly pairs: readonly (readonly [string, string])[];
  readonly headers: Readonly<Record<string, string>>;
}

export interface TestResult {
  readonly status: number | null;
  readonly latency_ms: number;
  readonly body: string | null;
  readonly error: string | null;
}

export interface ReplayJob {
  readonly id: number | string;
  readonly status: 'running' | 'finished' | 'cancelled';
  readonly total: number;
  readonly queued: number;
  readonly delivered: number;
  readonly failed: number;
  readonly queued_per_second?: number;
  readonly created_at: string;
}

export interface ReplayRange {
  readonly since: string;
  readonly until?: string;
  readonly only: 'failed' | 'all';
}

export interface ReplayCount {
  readonly count: number;
  readonly first: string | null;
  readonly last: string | null;
}

export interface ChangeSeries {
  readonly step: number;
  readonly from: string;
  readonly logins: readonly number[];
  readonly logouts: readonly number[];
  readonly available: readonly number[];
}

export interface DeliverySeries {
  readonly step: number;
  readonly from: string;
  readonly delivered: readonly number[];
  readonly retry: readonly number[];
  readonly failed: readonly number[];
  readonly dropped: readonly number[];
  readonly p50_ms: readonly (number | null)[];
  readonly p95_ms: readonly (number | null)[];
}

export interface Origin {
  readonly origin: string;
  readonly state: 'closed' | 'open' | 'probing';
  readonly since: string | null;
  readonly next_probe_at: string | null;
  readonly last_error: string | null;
  readonly agent_events: number;
  readonly waiting: number;
}

export interface Notice {
  readonly id: number | string;
  readonly type: string;
  readonly at: string;
  readonly agent_event_id: number | null;
  readonly words: string;
}

export interface ExplainStep {
  readonly code: string;
  readonly words: string;
}

export interface ExplainedEvent {
  readonly id: number;
  readonly all_agents?: boolean;
  readonly url?: string;
  readonly method?: Method;
  readonly event_type?: EventType;
  readonly deleted?: boolean;
  readonly notified?: boolean;
  readonly code?: string;
  readonly reason?: string;
  readonly delivery?: { readonly id: string; readonly status: DeliveryStatus } | null;
}

export interface Explanation {
  readonly at: string;
  readonly decision?: string;
  readonly record?: string;
  readonly kept_since?: string | null;
  readonly change: StatusChange | null;
  readonly steps?: readonly ExplainStep[];
  readonly agent_events: readonly ExplainedEvent[];
}

export interface ReceivedRequest {
  readonly n?: number;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly at: string;
  readonly signed: boolean;
}

export interface TelemetryResult {
  readonly result: 'changed' | 'unchanged' | 'stale' | 'rejected';
  readonly sequence?: number;
  readonly errors?: Readonly<Record<string, readonly string[]>>;
}
