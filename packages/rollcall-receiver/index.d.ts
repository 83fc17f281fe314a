import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';

/** A queue agent has logged in or out. */
export interface Notification {
  /** `webhook-id`: the same when a notification is sent again; keep it for a day to tell repeats. */
  readonly id: string;
  /** From 1. */
  readonly attempt: number;
  /** Counts the changes of the agent: a lower one than you have seen is old. */
  readonly sequence: number;
  readonly occurredAt: Date;
  /** Somebody asked for a test; nothing has happened. */
  readonly isTest: boolean;
  readonly agentId: number;
  readonly agentType: 'local' | 'remote';
  readonly agentStatus: 'available' | 'logged_out';
  readonly eventSource: 'api' | 'phone';
  /** The extension name of a local agent, the phone number of a remote one. */
  readonly name: string;
}

/** A request as it came in. */
export interface NotificationRequest {
  readonly method: string;
  /** Path and query, byte for byte; nothing else is looked at in it but the end of the query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Of a POST: byte for byte. */
  readonly body?: string | Buffer | undefined;
}

/** A request that is no notification of Rollcall's, or was altered on its way. Answer `httpStatus`. */
export class NotificationError extends Error {
  constructor(message: string, httpStatus: number, options?: ErrorOptions);
  readonly httpStatus: number;
}

/**
 * Verifies a request and reads the notification that it is.
 *
 * @param secret `whsec_…` of `GET /api/ver1.0/client/@me/webhook_secret/`; for 24 h after a rotation the old one and the new one are good
 * @throws NotificationError where the signature is missing or wrong, or more than 5 minutes old
 */
export function verifyNotification(request: NotificationRequest, secret: string): Notification;

export interface ReceiverOptions {
  readonly secret: string;
  /** Does the work; the answer is 204 once it resolves, and 500, so that Rollcall tries again, when it rejects. Keep it under 10 s. */
  readonly onNotification: (notification: Notification, request: IncomingMessage) => void | Promise<void>;
  /** Takes what `onNotification` throws; standard error by default. */
  readonly onError?: (error: unknown) => void;
}

/** Makes a handler for `node:http` and for Express, in front of `express.urlencoded()` and `express.json()`, or behind `express.raw()`. */
export function notificationHandler(
  options: ReceiverOptions,
): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
