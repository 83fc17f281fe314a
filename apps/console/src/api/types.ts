import type { components } from './schemas';

/** What the APIs answer, under the names that the console has for it. */

type Schemas = components['schemas'];

export type ConsoleConfig = Schemas['ConsoleConfig'];
export type User = Schemas['User'];
export type Access = User['access'];
export type Limit = Schemas['Limit'];
export type ClientSummary = Schemas['Client'];
export type WebhookSecret = Schemas['WebhookSecret'];

export type Agent = Schemas['Agent'];
export type AgentType = Agent['agent_type'];
export type AgentStatus = Agent['agent_status'];
export type StatusChange = Schemas['StatusChange'];
export type DirectoryChange = Schemas['DirectoryChange'];

/** An agent event with its health: a row of `/agent_event_health/`. */
export type EventHealth = Schemas['ListedAgentEventHealth'];
export type HealthState = EventHealth['state'];
export type EventType = EventHealth['event_type'];
export type Method = EventHealth['method'];
export type AgentRef = NonNullable<EventHealth['agent']>;
export type TestResult = Schemas['TestResult'];

/** A delivery as lists have it; alone it comes with its attempts and its request. */
export type Delivery = Schemas['ListedDelivery'];
export type DeliveryDetails = Schemas['DeliveryDetails'];
export type DeliveryStatus = Delivery['status'];
export type DeliveryHint = Schemas['DeliveryHint'];
export type Attempt = Schemas['TriggeredAttempt'];
export type SentRequest = NonNullable<DeliveryDetails['request']>;

export type ReplayJob = Schemas['Replay'];
export type ReplayRange = Pick<Schemas['ReplaySpan'], 'since' | 'until' | 'only'>;
export type ReplayCount = Schemas['ReplayCount'];

export type ChangeSeries = Schemas['ChangeSeries'];
export type DeliverySeries = Schemas['DeliverySeries'];
export type Origin = Schemas['Origin'];

export type Explanation = Schemas['Explanation'];
export type ExplainedEvent = Explanation['agent_events'][number];

export type TelemetryResult = Schemas['TelemetryResult'];

export type Notice = Schemas['Notice'];

/** What the demo receiver got: the playground's own, and in no document. */
export interface ReceivedRequest {
  readonly n?: number;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly at: string;
  readonly signed: boolean;
}
