import { createParser } from 'eventsource-parser';
import { ApiFailure, send, type Query } from './http';

/** A server's heartbeat comes every 15 s; a line that is silent for longer than this is taken for cut, in milliseconds. */
const SILENCE_MS = 35_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
const WATCH_MS = 1000;

export interface StreamEvent {
  readonly event: string;
  readonly data: unknown;
}

export interface StreamOptions {
  readonly path: string;
  readonly query?: Query;
  /** Where to go on from; the stream's own ids move it. */
  readonly cursor?: string | undefined;
  readonly onEvent: (event: StreamEvent) => void;
  /** The line is up, and something has come in just now. */
  readonly onLine: () => void;
  /** The line is down, or has been silent for too long. */
  readonly onDown: () => void;
  /** The server will not continue from the cursor: what is shown has to be read anew. */
  readonly onRefused: (failure: ApiFailure) => void;
}

/**
 * Follows a stream of Server-Sent Events until the signal is aborted; comes back by itself, from the last id. By fetch, since
 * EventSource cannot send a token.
 */
export async function followStream(options: StreamOptions, signal: AbortSignal): Promise<void> {
  let { cursor } = options;
  let failures = 0;
  while (!signal.aborted) {
    let retryAfter: number | undefined;
    try {
      await readOnce(
        options,
        cursor,
        (id) => {
          cursor = id;
          failures = 0;
        },
        signal,
      );
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiFailure) {
        if (error.status === 401) return;
        if (isFinal(error)) return options.onRefused(error);
        retryAfter = error.retryAfter;
      }
    }
    if (signal.aborted) return;
    options.onDown();
    failures += 1;
    const backoff = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
    await pause(retryAfter === undefined ? backoff * (0.75 + Math.random() / 2) : retryAfter * 1000, signal);
  }
}

/** Whether asking again would be answered the same. */
function isFinal({ status }: ApiFailure): boolean {
  return status >= 400 && status < 500 && status !== 429;
}

async function readOnce(
  { path, query, onEvent, onLine }: StreamOptions,
  cursor: string | undefined,
  onId: (id: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const line = new AbortController();
  const cut = (): void => line.abort();
  signal.addEventListener('abort', cut);
  let lastByte = Date.now();
  const watch = window.setInterval(() => {
    if (Date.now() - lastByte > SILENCE_MS) cut();
  }, WATCH_MS);
  try {
    const response = await send('GET', path, {
      ...(query && { query }),
      signal: line.signal,
      headers: { accept: 'text/event-stream', ...(cursor !== undefined && { 'last-event-id': cursor }) },
    });
    if (!response.body) throw new ApiFailure(0, 'unreachable', 'The stream has no body.');
    const parser = createParser({
      onEvent: ({ id, event = 'message', data }) => {
        if (id !== undefined) onId(id);
        if (data !== '') onEvent({ event, data: JSON.parse(data) as unknown });
      },
    });
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      lastByte = Date.now();
      onLine();
      parser.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    window.clearInterval(watch);
    signal.removeEventListener('abort', cut);
    cut();
  }
}

/** Waits, but not beyond the moment at which the browser is online again. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = (): void => {
      over.abort();
      window.clearTimeout(timer);
      resolve();
    };
    const timer = window.setTimeout(end, ms);
    signal.addEventListener('abort', end, { signal: over.signal });
    window.addEventListener('online', end, { signal: over.signal });
  });
}
