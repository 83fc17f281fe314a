// What the APIs answer, of docs/openapi.json and docs/openapi-telemetry.json: written by `npm run derive`.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        readonly TelemetryResult: {
            /** @enum {string} */
            readonly result: "changed" | "unchanged" | "stale";
            /**
             * Format: int64
             * @description Of the agent, after the item: counts its changes
             * @example 42
             */
            readonly sequence: number;
        } | {
            /** @enum {string} */
            readonly result: "rejected";
            /** @description What is wrong, by field */
            readonly errors: {
                readonly [key: string]: readonly string[];
            };
        };
        readonly Error: {
            /** @description For people */
            readonly message: string;
            /** @enum {string} */
            readonly status: "validation_error" | "unauthorized" | "access_denied" | "app_access_type_deny" | "event_limit_exceeded" | "client_not_found" | "agent_not_found" | "event_not_found" | "delivery_not_found" | "not_found" | "method_not_allowed" | "already_exists" | "already_waiting" | "cursor_expired" | "payload_too_large" | "unsupported_media_type" | "rate_limit_exceeded" | "internal_error" | "unavailable";
            /** @description What is wrong, by field; with `validation_error` */
            readonly errors?: {
                readonly [key: string]: readonly string[];
            };
        };
        readonly TelemetryItem: {
            /** @description A number, or a string of its digits */
            readonly client_id: string | number;
            /** @description A number, or a string of its digits */
            readonly agent_id: string | number;
            /** @enum {string} */
            readonly agent_type: "local" | "remote";
            /** @enum {string} */
            readonly agent_status: "available" | "logged_out";
            /** @enum {string} */
            readonly event_source: "api" | "phone";
            readonly extension_name?: string | null;
            readonly agent_number?: string | null;
            readonly occurred_at?: string | null;
        };
        readonly Token: {
            readonly access_token: string;
            /** @enum {string} */
            readonly token_type: "Bearer";
            /**
             * Format: int64
             * @description Seconds
             * @example 3600
             */
            readonly expires_in: number;
            /** @enum {string} */
            readonly scope: "all";
        };
        readonly OAuthError: {
            /** @example invalid_client */
            readonly error: string;
            /** @example client_id or client_secret is wrong */
            readonly error_description: string;
        };
        readonly Jwks: {
            readonly keys: readonly {
                readonly [key: string]: unknown;
            }[];
        };
        readonly AuthorizationServer: {
            /** @example https://rollcall.example.com */
            readonly issuer: string;
            /** @example https://rollcall.example.com/oauth/token */
            readonly token_endpoint: string;
            /** @example https://rollcall.example.com/.well-known/jwks.json */
            readonly jwks_uri: string;
            readonly grant_types_supported: readonly "client_credentials"[];
            /**
             * @description None: nobody is sent to a browser
             * @example []
             */
            readonly response_types_supported: readonly string[];
            readonly scopes_supported: readonly "all"[];
            readonly token_endpoint_auth_methods_supported: readonly ("client_secret_basic" | "client_secret_post")[];
            /** @example https://rollcall.example.com/api/docs */
            readonly service_documentation: string;
        };
        readonly User: {
            /**
             * Format: int64
             * @example 1
             */
            readonly id: number;
            /**
             * @description The application
             * @example demo
             */
            readonly login: string;
            /**
             * @description Whether the application acts for every client
             * @example false
             */
            readonly admin: boolean;
            /**
             * Format: int64
             * @example 12
             */
            readonly client_id: number;
            /**
             * @description What the application may do
             * @example all
             * @enum {string}
             */
            readonly access: "call_api" | "all" | "platform";
        };
        /**
         * @example {
         *       "app_id": "crm",
         *       "client_id": 12,
         *       "access": "call_api"
         *     }
         */
        readonly ApplicationCreate: {
            /**
             * @description What it calls itself: `client_id` of a token request
             * @example crm
             */
            readonly app_id: string;
            /**
             * Format: int64
             * @description The client that it belongs to; a decimal string is read too
             * @example 12
             */
            readonly client_id: number | string;
            /** @enum {string} */
            readonly access: "call_api" | "all" | "platform";
        };
        readonly ApplicationWithSecret: {
            /** @example crm */
            readonly app_id: string;
            /**
             * Format: int64
             * @example 12
             */
            readonly client_id: number;
            /** @enum {string} */
            readonly access: "call_api" | "all" | "platform";
            /** Format: date-time */
            readonly created_at: string;
            /**
             * @description null: it may call
             * @example null
             */
            readonly revoked_at: string | null;
            /**
             * @description Not shown again
             * @example x7Jv3mA0rC9dYwq1sT5uKeBf2gHhLpZ8nXoQ4iRjMzE
             */
            readonly secret: string;
        };
        readonly Application: {
            /** @example crm */
            readonly app_id: string;
            /**
             * Format: int64
             * @example 12
             */
            readonly client_id: number;
            /** @enum {string} */
            readonly access: "call_api" | "all" | "platform";
            /** Format: date-time */
            readonly created_at: string;
            /**
             * @description null: it may call
             * @example null
             */
            readonly revoked_at: string | null;
        };
        /**
         * @example {
         *       "keep_previous_for": 3600
         *     }
         */
        readonly SecretRotation: {
            /**
             * @description Seconds that the replaced secret goes on
             * @default 0
             */
            readonly keep_previous_for: number;
        };
        /**
         * @example {
         *       "url": "https://example.com/agents?key=1",
         *       "event_type": "agent-login",
         *       "method": "GET"
         *     }
         */
        readonly AgentEventCreate: {
            /**
             * Format: uri
             * @description Absolute http(s) URL without credentials; a query is kept
             * @example https://example.com/agents?key=1
             */
            readonly url: string;
            /**
             * @description In any letter case
             * @enum {string}
             */
            readonly event_type: "agent-login" | "agent-logout";
            /**
             * @description In any letter case
             * @enum {string}
             */
            readonly method: "GET" | "POST";
        };
        readonly AgentEvent: {
            /** @example https://example.com/agents?key=1 */
            readonly url: string;
            /**
             * Format: int64
             * @example 7
             */
            readonly id: number;
            /** @enum {string} */
            readonly method: "GET" | "POST";
            /** @enum {string} */
            readonly event_type: "agent-login" | "agent-logout";
        };
        /**
         * @description Any subset; what is absent stays
         * @example {
         *       "method": "POST"
         *     }
         */
        readonly AgentEventChange: {
            /**
             * Format: uri
             * @description Absolute http(s) URL without credentials; a query is kept
             * @example https://example.com/agents?key=1
             */
            readonly url?: string;
            /**
             * @description In any letter case
             * @enum {string}
             */
            readonly event_type?: "agent-login" | "agent-logout";
            /**
             * @description In any letter case
             * @enum {string}
             */
            readonly method?: "GET" | "POST";
        };
        readonly Limit: {
            /**
             * Format: int64
             * @example 1000
             */
            readonly agent_event: number;
            /**
             * Format: int64
             * @example 7
             */
            readonly agent_event_used: number;
        };
        /**
         * @example {
         *       "agent_event": 5000
         *     }
         */
        readonly LimitChange: {
            /** @description null: the limit of all clients, AGENT_EVENT_LIMIT */
            readonly agent_event: number | null;
            /** @description Not read: it is counted */
            readonly agent_event_used?: unknown;
        };
        readonly Agent: {
            /**
             * Format: int64
             * @example 136
             */
            readonly id: number;
            /** @enum {string} */
            readonly agent_type: "local";
            /** @example 000*094@ringme.ru */
            readonly extension_name: string;
            /** @enum {string} */
            readonly agent_status: "available" | "logged_out";
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.123Z
             */
            readonly status_since: string;
            /**
             * Format: int64
             * @description Counts the status changes from 1
             * @example 42
             */
            readonly sequence: number;
        } | {
            /**
             * Format: int64
             * @example 136
             */
            readonly id: number;
            /** @enum {string} */
            readonly agent_type: "remote";
            /** @example +74951234567 */
            readonly agent_number: string;
            /** @enum {string} */
            readonly agent_status: "available" | "logged_out";
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.123Z
             */
            readonly status_since: string;
            /**
             * Format: int64
             * @description Counts the status changes from 1
             * @example 42
             */
            readonly sequence: number;
        };
        /**
         * @description `extension_name` at `/agent/local/…`, `agent_number` at `/agent/remote/…`; other keys are not read
         * @example {
         *       "extension_name": "000*094@ringme.ru"
         *     }
         */
        readonly AgentName: {
            readonly extension_name: string;
        } | {
            readonly agent_number: string;
        };
        readonly Client: {
            /**
             * Format: int64
             * @example 12
             */
            readonly client_id: number;
            /**
             * Format: int64
             * @example 23
             */
            readonly agents: number;
            /**
             * Format: int64
             * @description Those that count against its limit
             * @example 7
             */
            readonly agent_events: number;
        };
        readonly AuditEntry: {
            /**
             * Format: int64
             * @example 42
             */
            readonly id: number;
            /** Format: date-time */
            readonly at: string;
            /**
             * @description The application; `command line`, `BOOTSTRAP_APPS` or `OIDC_ISSUER` where it was none
             * @example crm
             */
            readonly by: string;
            /**
             * @example agent_event.changed
             * @enum {string}
             */
            readonly action: "agent_event.added" | "agent_event.changed" | "agent_event.removed" | "webhook_secret.rotated" | "application.registered" | "application.secret_rotated" | "application.revoked";
            /**
             * @description The id of the agent event, secret or application
             * @example 7
             */
            readonly subject: string;
            /**
             * @description Of a change what was there and what is, by field; else what was added or removed. Never a secret
             * @example {
             *       "method": {
             *         "from": "GET",
             *         "to": "POST"
             *       }
             *     }
             */
            readonly detail: {
                readonly [key: string]: unknown;
            };
        };
        /**
         * @example {
         *       "url": "https://example.com/agents?key=1",
         *       "event_type": "agent-login",
         *       "method": "GET",
         *       "agent_type": "local"
         *     }
         */
        readonly ClientAgentEventCreate: {
            /**
             * Format: uri
             * @description Absolute http(s) URL without credentials; a query is kept
             * @example https://example.com/agents?key=1
             */
            readonly url: string;
            /**
             * @description In any letter case
             * @enum {string}
             */
            readonly event_type: "agent-login" | "agent-logout";
            /**
             * @description In any letter case
             * @enum {string}
             */
            readonly method: "GET" | "POST";
            readonly agent_type?: ("local" | "remote") | null;
            /** @description Not read: the agent event keeps its own */
            readonly id?: unknown;
        };
        readonly ClientAgentEvent: {
            /** @example https://example.com/agents?key=1 */
            readonly url: string;
            /**
             * Format: int64
             * @example 7
             */
            readonly id: number;
            /** @enum {string} */
            readonly method: "GET" | "POST";
            /** @enum {string} */
            readonly event_type: "agent-login" | "agent-logout";
            readonly agent_type: ("local" | "remote") | null;
        };
        /**
         * @description Any subset; what is absent stays
         * @example {
         *       "method": "POST"
         *     }
         */
        readonly ClientAgentEventChange: {
            /**
             * Format: uri
             * @description Absolute http(s) URL without credentials; a query is kept
             * @example https://example.com/agents?key=1
             */
            readonly url?: string;
            /**
             * @description In any letter case
             * @enum {string}
             */
            readonly event_type?: "agent-login" | "agent-logout";
            /**
             * @description In any letter case
             * @enum {string}
             */
            readonly method?: "GET" | "POST";
            readonly agent_type?: ("local" | "remote") | null;
            /** @description Not read: the agent event keeps its own */
            readonly id?: unknown;
        };
        readonly WebhookSecret: {
            /**
             * Format: int64
             * @example 1
             */
            readonly id: number;
            /**
             * @description Standard Webhooks
             * @example whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD
             */
            readonly secret: string;
            /** Format: date-time */
            readonly created_at: string;
            /** @description null: the current one */
            readonly expires_at: string | null;
        };
        readonly AgentSummary: {
            /**
             * Format: int64
             * @example 18
             */
            readonly available: number;
            /**
             * Format: int64
             * @example 5
             */
            readonly logged_out: number;
            readonly by_type: {
                readonly local: {
                    /**
                     * Format: int64
                     * @example 18
                     */
                    readonly available: number;
                    /**
                     * Format: int64
                     * @example 5
                     */
                    readonly logged_out: number;
                };
                readonly remote: {
                    /**
                     * Format: int64
                     * @example 18
                     */
                    readonly available: number;
                    /**
                     * Format: int64
                     * @example 5
                     */
                    readonly logged_out: number;
                };
            };
            /**
             * Format: int64
             * @description Where stream and history continue
             * @example 1042
             */
            readonly cursor: number;
        };
        readonly StatusChange: {
            /** Format: uuid */
            readonly id: string;
            /**
             * Format: int64
             * @description Continue after it
             * @example 1042
             */
            readonly cursor: number;
            /** @example 12 */
            readonly client_id: string;
            /**
             * Format: int64
             * @example 136
             */
            readonly agent_id: number;
            /** @enum {string} */
            readonly agent_type: "local" | "remote";
            /** @example 000*094@ringme.ru */
            readonly extension_name?: string;
            readonly agent_number?: string;
            /** @enum {string} */
            readonly agent_status: "available" | "logged_out";
            /** @enum {string} */
            readonly previous_status: "available" | "logged_out";
            /** @enum {string} */
            readonly event_source: "api" | "phone";
            /**
             * Format: int64
             * @example 42
             */
            readonly sequence: number;
            /** Format: date-time */
            readonly occurred_at: string;
            /** Format: date-time */
            readonly changed_at: string;
        };
        /** @description The agent as it was then */
        readonly DirectoryChange: {
            /**
             * Format: int64
             * @example 136
             */
            readonly id: number;
            /** @enum {string} */
            readonly agent_type: "local";
            /** @example 000*094@ringme.ru */
            readonly extension_name: string;
            /** @enum {string} */
            readonly agent_status: "available" | "logged_out";
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.123Z
             */
            readonly status_since: string;
            /**
             * Format: int64
             * @description Counts the status changes from 1
             * @example 42
             */
            readonly sequence: number;
            /** @enum {string} */
            readonly change: "created" | "renamed" | "removed";
        } | {
            /**
             * Format: int64
             * @example 136
             */
            readonly id: number;
            /** @enum {string} */
            readonly agent_type: "remote";
            /** @example +74951234567 */
            readonly agent_number: string;
            /** @enum {string} */
            readonly agent_status: "available" | "logged_out";
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.123Z
             */
            readonly status_since: string;
            /**
             * Format: int64
             * @description Counts the status changes from 1
             * @example 42
             */
            readonly sequence: number;
            /** @enum {string} */
            readonly change: "created" | "renamed" | "removed";
        };
        readonly StreamReset: {
            /** @enum {string} */
            readonly reason: "expired_cursor" | "unknown_cursor";
        };
        readonly ChangeSeries: {
            /**
             * Format: int64
             * @description Seconds from one point to the next
             * @example 60
             */
            readonly step: number;
            /**
             * Format: date-time
             * @description Beginning of the first point
             * @example 2026-11-22T10:00:00.000Z
             */
            readonly from: string;
            /**
             * @example [
             *       3,
             *       0,
             *       5
             *     ]
             */
            readonly logins: readonly number[];
            /**
             * @example [
             *       3,
             *       0,
             *       5
             *     ]
             */
            readonly logouts: readonly number[];
            /**
             * @description Available agents at the end of each point
             * @example [
             *       3,
             *       0,
             *       5
             *     ]
             */
            readonly available: readonly number[];
        };
        readonly DeliverySeries: {
            /**
             * Format: int64
             * @description Seconds from one point to the next
             * @example 60
             */
            readonly step: number;
            /**
             * Format: date-time
             * @description Beginning of the first point
             * @example 2026-11-22T10:00:00.000Z
             */
            readonly from: string;
            /**
             * @example [
             *       3,
             *       0,
             *       5
             *     ]
             */
            readonly delivered: readonly number[];
            /**
             * @description Attempts that failed and are made again
             * @example [
             *       3,
             *       0,
             *       5
             *     ]
             */
            readonly retry: readonly number[];
            /**
             * @example [
             *       3,
             *       0,
             *       5
             *     ]
             */
            readonly failed: readonly number[];
            /**
             * @example [
             *       3,
             *       0,
             *       5
             *     ]
             */
            readonly dropped: readonly number[];
            /**
             * @description Half of the attempts took no longer; null: there were none
             * @example [
             *       42,
             *       null,
             *       61
             *     ]
             */
            readonly p50_ms: readonly (number | null)[];
            /**
             * @example [
             *       42,
             *       null,
             *       61
             *     ]
             */
            readonly p95_ms: readonly (number | null)[];
        };
        readonly Origin: {
            /**
             * @description Scheme, host and port
             * @example https://example.com
             */
            readonly origin: string;
            /**
             * @description `closed`: it is sent to; `open`: it is not, for now; `probing`: one attempt decides
             * @enum {string}
             */
            readonly state: "closed" | "open" | "probing";
            /** @description null: it was never otherwise, as far as is known */
            readonly since: string | null;
            readonly next_probe_at: string | null;
            /** @example connection refused */
            readonly last_error: string | null;
            /**
             * Format: int64
             * @example 3
             */
            readonly agent_events: number;
            /**
             * Format: int64
             * @description Deliveries that wait, for whatever reason
             * @example 0
             */
            readonly waiting: number;
        };
        readonly TestResult: {
            /**
             * @description HTTP status; null: no answer
             * @example 200
             */
            readonly status: number | null;
            /**
             * Format: int64
             * @example 85
             */
            readonly latency_ms: number;
            /** @description The first bytes of the answer */
            readonly body: string | null;
            /** @description Why there is no answer */
            readonly error: string | null;
        };
        readonly ListedDelivery: {
            /**
             * @description The `webhook-id` header
             * @example 019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7
             */
            readonly id: string;
            readonly agent_event: {
                /**
                 * Format: int64
                 * @example 7
                 */
                readonly id: number;
                /** @example https://example.com/agents?key=1 */
                readonly url: string | null;
                readonly method: ("GET" | "POST") | null;
                readonly event_type: ("agent-login" | "agent-logout") | null;
                readonly all_agents: boolean | null;
                /**
                 * @description It is gone; what it was is not kept
                 * @enum {boolean}
                 */
                readonly deleted?: true;
            };
            /** @description As it was then; null: the log does not reach back so far */
            readonly agent: {
                /**
                 * Format: int64
                 * @example 136
                 */
                readonly id: number;
                /** @enum {string} */
                readonly agent_type: "local" | "remote";
                readonly name: string;
            } | null;
            readonly change: {
                /** Format: uuid */
                readonly id: string;
                /** @enum {string} */
                readonly agent_status: "available" | "logged_out";
                /** @enum {string} */
                readonly event_source: "api" | "phone";
                /**
                 * Format: int64
                 * @example 42
                 */
                readonly sequence: number;
                /**
                 * Format: date-time
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly occurred_at: string;
                /**
                 * Format: date-time
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly changed_at: string;
            } | null;
            /** @enum {string} */
            readonly status: "sending" | "waiting" | "retrying" | "suspended" | "delivered" | "failed" | "dropped";
            /**
             * @description It was delivered, and is sent again
             * @enum {boolean}
             */
            readonly resending?: true;
            /** @description What keeps it waiting; null: nothing */
            readonly waiting_for: ({
                /** @enum {string} */
                readonly reason: "earlier";
                /**
                 * @description The delivery that goes before
                 * @example 019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7
                 */
                readonly delivery_id: string;
            } | {
                /** @enum {string} */
                readonly reason: "suspended";
                /**
                 * Format: date-time
                 * @description The agent event is suspended, or paused
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly since: string;
            } | {
                /** @enum {string} */
                readonly reason: "origin";
                /**
                 * Format: date-time
                 * @description The origin is not sent to for now
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly since: string;
            } | {
                /** @enum {string} */
                readonly reason: "due";
                /** @description Its time has not come, or has just come */
                readonly since: string | null;
            }) | null;
            readonly next_attempt_at: string | null;
            /** @description The retry window ends; null: finished */
            readonly expires_at: string | null;
            /**
             * Format: int64
             * @example 2
             */
            readonly attempts_count: number;
            readonly last_attempt: components["schemas"]["TriggeredAttempt"] | null;
        };
        readonly TriggeredAttempt: {
            /**
             * Format: int64
             * @description From 1
             * @example 1
             */
            readonly attempt: number;
            /**
             * @description What it was made for
             * @enum {string}
             */
            readonly trigger: "first" | "retry" | "redeliver" | "replay";
            /**
             * Format: date-time
             * @example 2026-11-22T10:00:00.123Z
             */
            readonly at: string;
            /**
             * Format: int64
             * @example 85
             */
            readonly latency_ms: number;
            /** @enum {string} */
            readonly outcome: "delivered" | "retry" | "failed" | "dropped";
            /** @example 200 */
            readonly http_status: number | null;
            readonly error: string | null;
            /** @description The first 4 KiB, of a success the first 256 bytes */
            readonly response: string | null;
        };
        readonly Delivery: {
            /**
             * @description The `webhook-id` header
             * @example 019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7
             */
            readonly id: string;
            /** @enum {string} */
            readonly status: "sending" | "waiting" | "retrying" | "suspended" | "delivered" | "failed" | "dropped";
            /** @example 136 */
            readonly agent_id: number | null;
            readonly agent_type: ("local" | "remote") | null;
            readonly agent_status: ("available" | "logged_out") | null;
            readonly event_source: ("api" | "phone") | null;
            /**
             * @description The agent’s
             * @example 42
             */
            readonly sequence: number | null;
            readonly occurred_at: string | null;
            /** @description null: finished, being sent, or behind an earlier one */
            readonly next_attempt_at: string | null;
            /** @description The retry window ends; null: finished */
            readonly expires_at: string | null;
            readonly attempts: readonly components["schemas"]["Attempt"][];
        };
        readonly Attempt: {
            /**
             * Format: int64
             * @description From 1
             * @example 1
             */
            readonly attempt: number;
            /** Format: date-time */
            readonly at: string;
            /**
             * Format: int64
             * @example 85
             */
            readonly latency_ms: number;
            /** @enum {string} */
            readonly outcome: "delivered" | "retry" | "failed" | "dropped";
            /** @example 200 */
            readonly http_status: number | null;
            readonly error: string | null;
            /** @description The first 4 KiB, of a success the first 256 bytes */
            readonly response: string | null;
        };
        readonly DeliveryHint: {
            /**
             * @description The `webhook-id` header
             * @example 019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7
             */
            readonly delivery_id: string;
            /** @enum {string} */
            readonly status: "sending" | "waiting" | "retrying" | "suspended" | "delivered" | "failed" | "dropped";
            /**
             * @description The last one; null: none was made
             * @example 1
             */
            readonly attempt: number | null;
        };
        readonly DeliveryDetails: {
            /**
             * @description The `webhook-id` header
             * @example 019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7
             */
            readonly id: string;
            readonly agent_event: {
                /**
                 * Format: int64
                 * @example 7
                 */
                readonly id: number;
                /** @example https://example.com/agents?key=1 */
                readonly url: string | null;
                readonly method: ("GET" | "POST") | null;
                readonly event_type: ("agent-login" | "agent-logout") | null;
                readonly all_agents: boolean | null;
                /**
                 * @description It is gone; what it was is not kept
                 * @enum {boolean}
                 */
                readonly deleted?: true;
            };
            /** @description As it was then; null: the log does not reach back so far */
            readonly agent: {
                /**
                 * Format: int64
                 * @example 136
                 */
                readonly id: number;
                /** @enum {string} */
                readonly agent_type: "local" | "remote";
                readonly name: string;
            } | null;
            readonly change: {
                /** Format: uuid */
                readonly id: string;
                /** @enum {string} */
                readonly agent_status: "available" | "logged_out";
                /** @enum {string} */
                readonly event_source: "api" | "phone";
                /**
                 * Format: int64
                 * @example 42
                 */
                readonly sequence: number;
                /**
                 * Format: date-time
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly occurred_at: string;
                /**
                 * Format: date-time
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly changed_at: string;
            } | null;
            /** @enum {string} */
            readonly status: "sending" | "waiting" | "retrying" | "suspended" | "delivered" | "failed" | "dropped";
            /**
             * @description It was delivered, and is sent again
             * @enum {boolean}
             */
            readonly resending?: true;
            /** @description What keeps it waiting; null: nothing */
            readonly waiting_for: ({
                /** @enum {string} */
                readonly reason: "earlier";
                /**
                 * @description The delivery that goes before
                 * @example 019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7
                 */
                readonly delivery_id: string;
            } | {
                /** @enum {string} */
                readonly reason: "suspended";
                /**
                 * Format: date-time
                 * @description The agent event is suspended, or paused
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly since: string;
            } | {
                /** @enum {string} */
                readonly reason: "origin";
                /**
                 * Format: date-time
                 * @description The origin is not sent to for now
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly since: string;
            } | {
                /** @enum {string} */
                readonly reason: "due";
                /** @description Its time has not come, or has just come */
                readonly since: string | null;
            }) | null;
            readonly next_attempt_at: string | null;
            /** @description The retry window ends; null: finished */
            readonly expires_at: string | null;
            /**
             * Format: int64
             * @example 2
             */
            readonly attempts_count: number;
            readonly last_attempt: components["schemas"]["TriggeredAttempt"] | null;
            readonly attempts: readonly components["schemas"]["TriggeredAttempt"][];
            /** @description As the last attempt was sent, or the first one will be; null: it can no longer be told */
            readonly request: {
                /** @enum {string} */
                readonly method: "GET" | "POST";
                /** @description As it stands on the request line, with the pairs for GET */
                readonly url: string;
                readonly body: string | null;
                /**
                 * @example [
                 *       [
                 *         "agent_status",
                 *         "available"
                 *       ]
                 *     ]
                 */
                readonly pairs: readonly (readonly string[])[];
                /** @description The signature is shortened */
                readonly headers: {
                    readonly [key: string]: string;
                };
                /** @description The agent event was changed after the last attempt, which may have been sent elsewhere */
                readonly changed_since: boolean;
            } | null;
        };
        readonly ListedAgentEventHealth: {
            /** @example https://example.com/agents?key=1 */
            readonly url: string;
            /**
             * Format: int64
             * @example 7
             */
            readonly id: number;
            /** @enum {string} */
            readonly method: "GET" | "POST";
            /** @enum {string} */
            readonly event_type: "agent-login" | "agent-logout";
            readonly all_agents: boolean;
            /** @description null: agents of both types */
            readonly agent_type: ("local" | "remote") | null;
            /** @description null: it is for all agents */
            readonly agent: {
                /**
                 * Format: int64
                 * @example 136
                 */
                readonly id: number;
                /** @enum {string} */
                readonly agent_type: "local" | "remote";
                readonly name: string | null;
            } | null;
            /** @enum {string} */
            readonly state: "active" | "failing" | "suspended";
            /** @description Why it is suspended */
            readonly reason: ("gone" | "failing" | "paused") | null;
            /** @description null: it is active */
            readonly since: string | null;
            /**
             * Format: int64
             * @description Deliveries that wait; an estimate where they are of more than a thousand agents
             * @example 0
             */
            readonly waiting: number;
            /** @description When the oldest of them changed */
            readonly oldest_waiting: string | null;
            readonly last_outcome: {
                /**
                 * Format: int64
                 * @description From 1
                 * @example 1
                 */
                readonly attempt: number;
                /**
                 * @description What it was made for
                 * @enum {string}
                 */
                readonly trigger: "first" | "retry" | "redeliver" | "replay";
                /**
                 * Format: date-time
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly at: string;
                /**
                 * Format: int64
                 * @example 85
                 */
                readonly latency_ms: number;
                /** @enum {string} */
                readonly outcome: "delivered" | "retry" | "failed" | "dropped";
                /** @example 200 */
                readonly http_status: number | null;
                readonly error: string | null;
                /** @description The first 4 KiB, of a success the first 256 bytes */
                readonly response: string | null;
                readonly delivery_id: string;
            } | null;
            /** @description Within about 24 hours; some seconds behind */
            readonly day: {
                /**
                 * Format: int64
                 * @example 118
                 */
                readonly delivered: number;
                /**
                 * Format: int64
                 * @example 0
                 */
                readonly failed: number;
            };
        };
        readonly AgentEventHealth: {
            /** @enum {string} */
            readonly status: "active" | "failing" | "suspended";
            /** @description Why it is suspended: it answered 410, it only failed for 5 days, or somebody paused it */
            readonly reason: ("gone" | "failing" | "paused") | null;
            readonly since: string | null;
            readonly last_outcome: {
                /**
                 * Format: int64
                 * @description From 1
                 * @example 1
                 */
                readonly attempt: number;
                /** Format: date-time */
                readonly at: string;
                /**
                 * Format: int64
                 * @example 85
                 */
                readonly latency_ms: number;
                /** @enum {string} */
                readonly outcome: "delivered" | "retry" | "failed" | "dropped";
                /** @example 200 */
                readonly http_status: number | null;
                readonly error: string | null;
                /** @description The first 4 KiB, of a success the first 256 bytes */
                readonly response: string | null;
                /**
                 * @description The `webhook-id` header
                 * @example 019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7
                 */
                readonly delivery_id: string;
            } | null;
            /**
             * Format: int64
             * @description Deliveries that wait, or are sent again
             * @example 0
             */
            readonly backlog: number;
            /** @description When the oldest of them changed */
            readonly oldest_waiting: string | null;
        };
        /**
         * @description The finished deliveries of the changes from `since` until (not including) `until`, default now
         * @example {
         *       "since": "2026-11-22T10:00:00Z",
         *       "until": "2026-11-22T12:00:00Z",
         *       "only": "failed"
         *     }
         */
        readonly ReplaySpan: {
            /** Format: date-time */
            readonly since: string;
            /** Format: date-time */
            readonly until?: string;
            /**
             * @description `failed`: what has failed alone; it reaches as far back as attempts are kept
             * @default all
             * @enum {string}
             */
            readonly only: "failed" | "all";
            /** @description Not read */
            readonly count?: unknown;
            /** @description Not read */
            readonly first?: unknown;
            /** @description Not read */
            readonly last?: unknown;
        };
        readonly ReplayCount: {
            /**
             * Format: int64
             * @description Deliveries that a replay sends; of more than 100,000, 100,000
             * @example 118
             */
            readonly count: number;
            /** @description When the first of them changed; null: there are none */
            readonly first: string | null;
            readonly last: string | null;
        };
        /**
         * @description The finished deliveries of the changes from `since` until (not including) `until`, default now
         * @example {
         *       "since": "2026-11-22T10:00:00Z",
         *       "until": "2026-11-22T12:00:00Z",
         *       "only": "failed"
         *     }
         */
        readonly ReplayCreate: {
            /** Format: date-time */
            readonly since: string;
            /** Format: date-time */
            readonly until?: string;
            /**
             * @description `failed`: what has failed alone; it reaches as far back as attempts are kept
             * @default all
             * @enum {string}
             */
            readonly only: "failed" | "all";
            /** @description Not read */
            readonly id?: unknown;
            /** @description Not read */
            readonly status?: unknown;
            /** @description Not read */
            readonly total?: unknown;
            /** @description Not read */
            readonly queued?: unknown;
            /** @description Not read */
            readonly delivered?: unknown;
            /** @description Not read */
            readonly failed?: unknown;
            /** @description Not read */
            readonly created_at?: unknown;
        };
        readonly Replay: {
            /**
             * Format: int64
             * @example 3
             */
            readonly id: number;
            /**
             * @example running
             * @enum {string}
             */
            readonly status: "running" | "finished" | "cancelled";
            /**
             * Format: int64
             * @description Deliveries in all
             * @example 118
             */
            readonly total: number;
            /**
             * Format: int64
             * @description Those that are not over yet; 0 once it is cancelled
             * @example 100
             */
            readonly queued: number;
            /**
             * Format: int64
             * @example 17
             */
            readonly delivered: number;
            /**
             * Format: int64
             * @description Those that failed again
             * @example 1
             */
            readonly failed: number;
            /** Format: date-time */
            readonly created_at: string;
        };
        readonly Notice: {
            /**
             * Format: int64
             * @example 3
             */
            readonly id: number;
            /** @enum {string} */
            readonly type: "endpoint.suspended" | "endpoint.recovered" | "replay.finished" | "limit.near";
            /** Format: date-time */
            readonly at: string;
            /**
             * @description null: it is about the client
             * @example 7
             */
            readonly agent_event_id: number | null;
            /** @example 900 of 1000 agent events are in use: beyond the limit no more can be added. */
            readonly words: string;
            /**
             * @description `endpoint.*`: `reason` (`gone`, `failing`, `paused`), `event_type`, `origin`; `replay.finished`: `replay_id`, `total`, `delivered`, `failed`; `limit.near`: `agent_event`, `agent_event_used`
             * @example {
             *       "agent_event": 1000,
             *       "agent_event_used": 900
             *     }
             */
            readonly data: {
                readonly [key: string]: unknown;
            };
            /** @description Where it was sent, and what became of that */
            readonly deliveries: readonly {
                /**
                 * Format: int64
                 * @example 3
                 */
                readonly notice_event_id: number;
                /** @enum {string} */
                readonly status: "waiting" | "delivered" | "failed" | "dropped";
                /**
                 * Format: int64
                 * @example 1
                 */
                readonly attempts: number;
                /** @example HTTP 503 */
                readonly last_error: string | null;
            }[];
        };
        /**
         * @example {
         *       "url": "https://example.com/notices",
         *       "types": [
         *         "endpoint.suspended"
         *       ]
         *     }
         */
        readonly NoticeEventCreate: {
            /**
             * Format: uri
             * @description Absolute http(s) URL without credentials
             * @example https://example.com/notices
             */
            readonly url: string;
            readonly types: readonly ("endpoint.suspended" | "endpoint.recovered" | "replay.finished" | "limit.near")[];
            /** @description Not read */
            readonly id?: unknown;
            /** @description Not read */
            readonly suspended?: unknown;
        };
        readonly NoticeEvent: {
            /**
             * Format: int64
             * @example 3
             */
            readonly id: number;
            /** @example https://example.com/notices */
            readonly url: string;
            readonly types: readonly ("endpoint.suspended" | "endpoint.recovered" | "replay.finished" | "limit.near")[];
            /** @description null: it is sent to. `gone`: it answered 410; `failing`: nothing has arrived for 5 days */
            readonly suspended: {
                /** @enum {string} */
                readonly reason: "gone" | "failing";
                /** Format: date-time */
                readonly since: string;
            } | null;
        };
        /**
         * @description Any subset; what is absent stays
         * @example {
         *       "types": [
         *         "limit.near"
         *       ]
         *     }
         */
        readonly NoticeEventChange: {
            /**
             * Format: uri
             * @description Absolute http(s) URL without credentials
             * @example https://example.com/notices
             */
            readonly url?: string;
            readonly types?: readonly ("endpoint.suspended" | "endpoint.recovered" | "replay.finished" | "limit.near")[];
            /** @description Not read */
            readonly id?: unknown;
            /** @description Not read */
            readonly suspended?: unknown;
        };
        readonly Explanation: {
            /** Format: date-time */
            readonly at: string;
            /** @description As it is now */
            readonly agent: {
                /**
                 * Format: int64
                 * @example 136
                 */
                readonly id: number;
                /** @enum {string} */
                readonly agent_type: "local";
                /** @example 000*094@ringme.ru */
                readonly extension_name: string;
                /** @enum {string} */
                readonly agent_status: "available" | "logged_out";
                /**
                 * Format: date-time
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly status_since: string;
                /**
                 * Format: int64
                 * @description Counts the status changes from 1
                 * @example 42
                 */
                readonly sequence: number;
                /**
                 * Format: date-time
                 * @description When it was removed from the directory
                 */
                readonly removed_at?: string;
            } | {
                /**
                 * Format: int64
                 * @example 136
                 */
                readonly id: number;
                /** @enum {string} */
                readonly agent_type: "remote";
                /** @example +74951234567 */
                readonly agent_number: string;
                /** @enum {string} */
                readonly agent_status: "available" | "logged_out";
                /**
                 * Format: date-time
                 * @example 2026-11-22T10:00:00.123Z
                 */
                readonly status_since: string;
                /**
                 * Format: int64
                 * @description Counts the status changes from 1
                 * @example 42
                 */
                readonly sequence: number;
                /**
                 * Format: date-time
                 * @description When it was removed from the directory
                 */
                readonly removed_at?: string;
            };
            /**
             * @description Whether the log reaches back to that moment
             * @enum {string}
             */
            readonly record: "kept" | "not_kept";
            /**
             * Format: date-time
             * @description With `not_kept`: since when the log is kept
             */
            readonly kept_since?: string;
            /** @description The last status change up to that moment */
            readonly change: components["schemas"]["StatusChange"] | null;
            /** @description The last telemetry, if it came before that moment and was noted; some seconds behind */
            readonly last_report: {
                /** @enum {string} */
                readonly agent_type: "local" | "remote";
                /** @enum {string} */
                readonly agent_status: "available" | "logged_out";
                /** @enum {string} */
                readonly event_source: "api" | "phone";
                /** Format: date-time */
                readonly reported_at: string;
                /** @description null: it did not say */
                readonly occurred_at: string | null;
                /** @enum {string} */
                readonly result: "changed" | "unchanged" | "stale" | "rejected";
                /**
                 * Format: int64
                 * @description Reports since the last change, as far as they were counted
                 */
                readonly since_change: number;
            } | null;
            /** @description What was made of the telemetry, in words */
            readonly decision: string;
            /** @description From the last report to the attempts; `not_kept`: what was then is not kept any more */
            readonly steps: readonly {
                /** @enum {string} */
                readonly step: "report" | "decision" | "change" | "agent_events" | "attempts";
                /** @example changed */
                readonly code: string;
                readonly words: string;
            }[];
            readonly agent_events: readonly {
                /** Format: int64 */
                readonly id: number;
                /**
                 * @description It is gone; its keys are absent
                 * @enum {boolean}
                 */
                readonly deleted?: true;
                readonly all_agents?: boolean;
                readonly url?: string;
                readonly method?: string;
                readonly event_type?: string;
                /** @description Whether the change is or was on its way to it; null: what was sent then is not kept (`DELIVERY_LOG_RETENTION`) */
                readonly notified: boolean | null;
                /** @example other_event_type */
                readonly code: string;
                /** @description Why, or why not, in words */
                readonly reason: string;
                readonly delivery: {
                    /**
                     * @description The `webhook-id` header
                     * @example 019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7
                     */
                    readonly id: string;
                    readonly agent_event: {
                        /**
                         * Format: int64
                         * @example 7
                         */
                        readonly id: number;
                        /** @example https://example.com/agents?key=1 */
                        readonly url: string | null;
                        readonly method: ("GET" | "POST") | null;
                        readonly event_type: ("agent-login" | "agent-logout") | null;
                        readonly all_agents: boolean | null;
                        /**
                         * @description It is gone; what it was is not kept
                         * @enum {boolean}
                         */
                        readonly deleted?: true;
                    };
                    /** @description As it was then; null: the log does not reach back so far */
                    readonly agent: {
                        /**
                         * Format: int64
                         * @example 136
                         */
                        readonly id: number;
                        /** @enum {string} */
                        readonly agent_type: "local" | "remote";
                        readonly name: string;
                    } | null;
                    readonly change: {
                        /** Format: uuid */
                        readonly id: string;
                        /** @enum {string} */
                        readonly agent_status: "available" | "logged_out";
                        /** @enum {string} */
                        readonly event_source: "api" | "phone";
                        /**
                         * Format: int64
                         * @example 42
                         */
                        readonly sequence: number;
                        /**
                         * Format: date-time
                         * @example 2026-11-22T10:00:00.123Z
                         */
                        readonly occurred_at: string;
                        /**
                         * Format: date-time
                         * @example 2026-11-22T10:00:00.123Z
                         */
                        readonly changed_at: string;
                    } | null;
                    /** @enum {string} */
                    readonly status: "sending" | "waiting" | "retrying" | "suspended" | "delivered" | "failed" | "dropped";
                    /**
                     * @description It was delivered, and is sent again
                     * @enum {boolean}
                     */
                    readonly resending?: true;
                    /** @description What keeps it waiting; null: nothing */
                    readonly waiting_for: ({
                        /** @enum {string} */
                        readonly reason: "earlier";
                        /**
                         * @description The delivery that goes before
                         * @example 019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7
                         */
                        readonly delivery_id: string;
                    } | {
                        /** @enum {string} */
                        readonly reason: "suspended";
                        /**
                         * Format: date-time
                         * @description The agent event is suspended, or paused
                         * @example 2026-11-22T10:00:00.123Z
                         */
                        readonly since: string;
                    } | {
                        /** @enum {string} */
                        readonly reason: "origin";
                        /**
                         * Format: date-time
                         * @description The origin is not sent to for now
                         * @example 2026-11-22T10:00:00.123Z
                         */
                        readonly since: string;
                    } | {
                        /** @enum {string} */
                        readonly reason: "due";
                        /** @description Its time has not come, or has just come */
                        readonly since: string | null;
                    }) | null;
                    readonly next_attempt_at: string | null;
                    /** @description The retry window ends; null: finished */
                    readonly expires_at: string | null;
                    /**
                     * Format: int64
                     * @example 2
                     */
                    readonly attempts_count: number;
                    readonly last_attempt: components["schemas"]["TriggeredAttempt"] | null;
                    readonly attempts: readonly components["schemas"]["TriggeredAttempt"][];
                } | null;
            }[];
        };
        readonly ConsoleConfig: {
            /** @example 0.1.0 */
            readonly version: string;
            /** @description Who issues the tokens; null: this server, at `/oauth/token` */
            readonly issuer: {
                /** @example https://id.example.com */
                readonly issuer: string;
                /** @example rollcall */
                readonly audience: string;
                /** @description What the issuer knows the console by; null: it does not */
                readonly client_id: string | null;
                /** @example https://id.example.com/authorize */
                readonly authorization_endpoint: string | null;
                /** @example https://id.example.com/token */
                readonly token_endpoint: string | null;
            } | null;
            /** @description The applications of the demo; empty everywhere else */
            readonly demo: readonly {
                readonly app_id: string;
                readonly secret: string;
                /** @enum {string} */
                readonly access: "call_api" | "all" | "platform";
            }[];
            /** @description Whether agents can be played here */
            readonly playground: boolean;
        };
        /** @description Id and secret may also come by HTTP Basic, and all of it in the query string */
        readonly TokenRequest: {
            /** @enum {string} */
            readonly grant_type: "client_credentials";
            /**
             * @description The id of the application
             * @example demo
             */
            readonly client_id?: string;
            /** @example demo-secret */
            readonly client_secret?: string;
            /**
             * @description Not read: a token has always `all`
             * @example all
             */
            readonly scope?: string;
        };
        /** @description Id and secret may also come by HTTP Basic, and all of it in the query string */
        readonly TokenRequestMultipart: {
            /** @enum {string} */
            readonly grant_type: "client_credentials";
            /**
             * @description The id of the application
             * @example demo
             */
            readonly client_id?: string;
            /** @example demo-secret */
            readonly client_secret?: string;
            /**
             * @description Not read: a token has always `all`
             * @example all
             */
            readonly scope?: string;
        };
        /** @description Id and secret may also come by HTTP Basic, and all of it in the query string */
        readonly TokenRequestJson: {
            /** @enum {string} */
            readonly grant_type: "client_credentials";
            /**
             * @description The id of the application
             * @example demo
             */
            readonly client_id?: string;
            /** @example demo-secret */
            readonly client_secret?: string;
            /**
             * @description Not read: a token has always `all`
             * @example all
             */
            readonly scope?: string;
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
