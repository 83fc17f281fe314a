// What the APIs answer, as far as types.ts names it, of docs/openapi.json and docs/openapi-telemetry.json: written by `npm run derive`.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        readonly TelemetryResult: {
            readonly result: "changed" | "unchanged" | "stale";
            /** @description Of the agent, after the item: counts its changes */
            readonly sequence: number;
        } | {
            readonly result: "rejected";
            /** @description What is wrong, by field */
            readonly errors: {
                readonly [key: string]: readonly string[];
            };
        };
        readonly Agent: {
            readonly id: number;
            readonly agent_type: "local";
            readonly extension_name: string;
            readonly agent_status: "available" | "logged_out";
            readonly status_since: string;
            /** @description Counts the status changes from 1 */
            readonly sequence: number;
        } | {
            readonly id: number;
            readonly agent_type: "remote";
            readonly agent_number: string;
            readonly agent_status: "available" | "logged_out";
            readonly status_since: string;
            /** @description Counts the status changes from 1 */
            readonly sequence: number;
        };
        readonly ChangeSeries: {
            /** @description Seconds from one point to the next */
            readonly step: number;
            /** @description Beginning of the first point */
            readonly from: string;
            readonly logins: readonly number[];
            readonly logouts: readonly number[];
            /** @description Available agents at the end of each point */
            readonly available: readonly number[];
        };
        readonly Client: {
            readonly client_id: number;
            readonly agents: number;
            /** @description Those that count against its limit */
            readonly agent_events: number;
        };
        readonly ConsoleConfig: {
            readonly version: string;
            /** @description Who issues the tokens; null: this server, at `/oauth/token` */
            readonly issuer: {
                readonly issuer: string;
                readonly audience: string;
                /** @description What the issuer knows the console by; null: it does not */
                readonly client_id: string | null;
                readonly authorization_endpoint: string | null;
                readonly token_endpoint: string | null;
            } | null;
            /** @description The applications of the demo; empty everywhere else */
            readonly demo: readonly {
                readonly app_id: string;
                readonly secret: string;
                readonly access: "call_api" | "all" | "platform";
            }[];
            /** @description Whether agents can be played here */
            readonly playground: boolean;
        };
        readonly DeliveryDetails: components["schemas"]["ListedDelivery"] & {
            readonly attempts: readonly components["schemas"]["TriggeredAttempt"][];
            /** @description As the last attempt was sent, or the first one will be; null: it can no longer be told */
            readonly request: {
                readonly method: "GET" | "POST";
                /** @description As it stands on the request line, with the pairs for GET */
                readonly url: string;
                readonly body: string | null;
                readonly pairs: readonly (readonly string[])[];
                /** @description The signature is shortened */
                readonly headers: {
                    readonly [key: string]: string;
                };
                /** @description The agent event was changed after the last attempt, which may have been sent elsewhere */
                readonly changed_since: boolean;
            } | null;
        };
        readonly DeliveryHint: {
            /** @description The `webhook-id` header */
            readonly delivery_id: string;
            readonly status: "sending" | "waiting" | "retrying" | "suspended" | "delivered" | "failed" | "dropped";
            /** @description The last one; null: none was made */
            readonly attempt: number | null;
        };
        readonly DeliverySeries: {
            /** @description Seconds from one point to the next */
            readonly step: number;
            /** @description Beginning of the first point */
            readonly from: string;
            readonly delivered: readonly number[];
            /** @description Attempts that failed and are made again */
            readonly retry: readonly number[];
            readonly failed: readonly number[];
            readonly dropped: readonly number[];
            /** @description Half of the attempts took no longer; null: there were none */
            readonly p50_ms: readonly (number | null)[];
            readonly p95_ms: readonly (number | null)[];
        };
        /** @description The agent as it was then */
        readonly DirectoryChange: components["schemas"]["Agent"] & {
            readonly change: "created" | "renamed" | "removed";
        };
        readonly Explanation: {
            readonly at: string;
            /** @description As it is now */
            readonly agent: components["schemas"]["Agent"] & {
                /** @description When it was removed from the directory */
                readonly removed_at?: string;
            };
            /** @description Whether the log reaches back to that moment */
            readonly record: "kept" | "not_kept";
            /** @description With `not_kept`: since when the log is kept */
            readonly kept_since?: string;
            /** @description The last status change up to that moment */
            readonly change: components["schemas"]["StatusChange"] | null;
            /** @description The last telemetry, if it came before that moment and was noted; some seconds behind */
            readonly last_report: {
                readonly agent_type: "local" | "remote";
                readonly agent_status: "available" | "logged_out";
                readonly event_source: "api" | "phone";
                readonly reported_at: string;
                /** @description null: it did not say */
                readonly occurred_at: string | null;
                readonly result: "changed" | "unchanged" | "stale" | "rejected";
                /** @description Reports since the last change, as far as they were counted */
                readonly since_change: number;
            } | null;
            /** @description What was made of the telemetry, in words */
            readonly decision: string;
            /** @description From the last report to the attempts; `not_kept`: what was then is not kept any more */
            readonly steps: readonly {
                readonly step: "report" | "decision" | "change" | "agent_events" | "attempts";
                readonly code: string;
                readonly words: string;
            }[];
            readonly agent_events: readonly {
                readonly id: number;
                /** @description It is gone; its keys are absent */
                readonly deleted?: true;
                readonly all_agents?: boolean;
                readonly url?: string;
                readonly method?: string;
                readonly event_type?: string;
                /** @description Whether the notification arrived: it was answered 2xx. false: not, or not yet, and `code` says why; null: what was sent then is not kept (`DELIVERY_LOG_RETENTION`) */
                readonly notified: boolean | null;
                readonly code: string;
                /** @description Why, or why not, in words */
                readonly reason: string;
                readonly delivery: (components["schemas"]["ListedDelivery"] & {
                    readonly attempts: readonly components["schemas"]["TriggeredAttempt"][];
                }) | null;
            }[];
        };
        readonly Limit: {
            readonly agent_event: number;
            readonly agent_event_used: number;
        };
        readonly ListedAgentEventHealth: {
            readonly url: string;
            readonly id: number;
            readonly method: "GET" | "POST";
            readonly event_type: "agent-login" | "agent-logout";
            readonly all_agents: boolean;
            /** @description null: agents of both types */
            readonly agent_type: ("local" | "remote") | null;
            /** @description null: it is for all agents */
            readonly agent: {
                readonly id: number;
                readonly agent_type: "local" | "remote";
                readonly name: string | null;
            } | null;
            readonly state: "active" | "failing" | "suspended";
            /** @description Why it is suspended */
            readonly reason: ("gone" | "failing" | "paused") | null;
            /** @description null: it is active */
            readonly since: string | null;
            /** @description Deliveries that wait; an estimate where they are of more than a thousand agents */
            readonly waiting: number;
            /** @description When the oldest of them changed */
            readonly oldest_waiting: string | null;
            readonly last_outcome: (components["schemas"]["TriggeredAttempt"] & {
                readonly delivery_id: string;
            }) | null;
            /** @description Within about 24 hours; some seconds behind. Of a single agent: of its newest 5,000 attempts, in a list of its newest 200 */
            readonly day: {
                readonly delivered: number;
                readonly failed: number;
            };
        };
        readonly ListedDelivery: {
            /** @description The `webhook-id` header */
            readonly id: string;
            readonly agent_event: {
                readonly id: number;
                readonly url: string | null;
                readonly method: ("GET" | "POST") | null;
                readonly event_type: ("agent-login" | "agent-logout") | null;
                readonly all_agents: boolean | null;
                /** @description It is gone; what it was is not kept */
                readonly deleted?: true;
            };
            /** @description As it was then; null: the log does not reach back so far */
            readonly agent: {
                readonly id: number;
                readonly agent_type: "local" | "remote";
                readonly name: string;
            } | null;
            readonly change: {
                readonly id: string;
                readonly agent_status: "available" | "logged_out";
                readonly event_source: "api" | "phone";
                readonly sequence: number;
                readonly occurred_at: string;
                readonly changed_at: string;
            } | null;
            readonly status: "sending" | "waiting" | "retrying" | "suspended" | "delivered" | "failed" | "dropped";
            /** @description It was delivered, and is sent again */
            readonly resending?: true;
            /** @description What keeps it waiting; null: nothing */
            readonly waiting_for: ({
                readonly reason: "earlier";
                /** @description The delivery that goes before */
                readonly delivery_id: string;
            } | {
                readonly reason: "suspended";
                /** @description The agent event is suspended, or paused */
                readonly since: string;
            } | {
                readonly reason: "origin";
                /** @description The origin is not sent to for now */
                readonly since: string;
            } | {
                readonly reason: "due";
                /** @description Its time has not come, or has just come */
                readonly since: string | null;
            }) | null;
            readonly next_attempt_at: string | null;
            /** @description The retry window ends; null: finished */
            readonly expires_at: string | null;
            readonly attempts_count: number;
            readonly last_attempt: components["schemas"]["TriggeredAttempt"] | null;
        };
        readonly Notice: {
            readonly id: number;
            readonly type: "endpoint.suspended" | "endpoint.recovered" | "replay.finished" | "limit.near";
            readonly at: string;
            /** @description null: it is about the client */
            readonly agent_event_id: number | null;
            readonly words: string;
            /** @description `endpoint.*`: `reason` (`gone`, `failing`, `paused`), `event_type`, `origin`; `replay.finished`: `replay_id`, `total`, `delivered`, `failed`; `limit.near`: `agent_event`, `agent_event_used` */
            readonly data: {
                readonly [key: string]: unknown;
            };
            /** @description Where it was sent, and what became of that */
            readonly deliveries: readonly {
                readonly notice_event_id: number;
                readonly status: "waiting" | "delivered" | "failed" | "dropped";
                readonly attempts: number;
                readonly last_error: string | null;
            }[];
        };
        readonly Origin: {
            /** @description Scheme, host and port */
            readonly origin: string;
            /** @description `closed`: it is sent to; `open`: it is not, for now; `probing`: one attempt decides */
            readonly state: "closed" | "open" | "probing";
            /** @description null: it was never otherwise, as far as is known */
            readonly since: string | null;
            readonly next_probe_at: string | null;
            readonly last_error: string | null;
            readonly agent_events: number;
            /** @description Deliveries that wait, for whatever reason */
            readonly waiting: number;
        };
        readonly Replay: {
            readonly id: number;
            readonly status: "running" | "finished" | "cancelled";
            /** @description Deliveries in all */
            readonly total: number;
            /** @description Those that are not over yet; 0 once it is cancelled */
            readonly queued: number;
            readonly delivered: number;
            /** @description Those that failed again */
            readonly failed: number;
            readonly created_at: string;
        };
        readonly ReplayCount: {
            /** @description Deliveries that a replay sends; of more than 100,000, 100,000 */
            readonly count: number;
            /** @description When the first of them changed; null: there are none */
            readonly first: string | null;
            readonly last: string | null;
        };
        /** @description The finished deliveries of the changes from `since` until (not including) `until`, default now */
        readonly ReplaySpan: {
            readonly since: string;
            readonly until?: string;
            /**
             * @description `failed`: what has failed alone; it reaches as far back as attempts are kept
             * @default all
             */
            readonly only: "failed" | "all";
            /** @description Not read */
            readonly count?: unknown;
            /** @description Not read */
            readonly first?: unknown;
            /** @description Not read */
            readonly last?: unknown;
        };
        readonly StatusChange: {
            readonly id: string;
            /** @description Continue after it */
            readonly cursor: number;
            readonly client_id: string;
            readonly agent_id: number;
            readonly agent_type: "local" | "remote";
            readonly extension_name?: string;
            readonly agent_number?: string;
            readonly agent_status: "available" | "logged_out";
            readonly previous_status: "available" | "logged_out";
            readonly event_source: "api" | "phone";
            readonly sequence: number;
            readonly occurred_at: string;
            readonly changed_at: string;
        };
        readonly TestResult: {
            /** @description HTTP status; null: no answer */
            readonly status: number | null;
            readonly latency_ms: number;
            /** @description The first bytes of the answer */
            readonly body: string | null;
            /** @description Why there is no answer */
            readonly error: string | null;
        };
        readonly TriggeredAttempt: {
            /** @description From 1 */
            readonly attempt: number;
            /** @description What it was made for */
            readonly trigger: "first" | "retry" | "redeliver" | "replay";
            readonly at: string;
            readonly latency_ms: number;
            readonly outcome: "delivered" | "retry" | "failed" | "dropped";
            readonly http_status: number | null;
            readonly error: string | null;
            /** @description The first 4 KiB, of a success the first 256 bytes */
            readonly response: string | null;
        };
        readonly User: {
            readonly id: number;
            /** @description The application */
            readonly login: string;
            /** @description Whether the application acts for every client */
            readonly admin: boolean;
            readonly client_id: number;
            /** @description What the application may do */
            readonly access: "call_api" | "all" | "platform";
        };
        readonly WebhookSecret: {
            readonly id: number;
            /** @description Standard Webhooks */
            readonly secret: string;
            readonly created_at: string;
            /** @description null: the current one */
            readonly expires_at: string | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
