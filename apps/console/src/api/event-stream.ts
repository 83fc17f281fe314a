import { createParser } from 'eventsource-parser';
import { delayAfter, mayPass, pause } from './backoff';
import { ApiFailure, send, type Query } from './http';

/** A server's heartbeat comes every 15 s; a line that is silent for longer than this is taken for cut, in milliseconds. */
const SILENCE_MS = 35_000;
/** The first line comes with the answer's head, in milliseconds. */
const OPENING_MS = 10_000;
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
    let failure: unknown;
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
      failure = error;
    }
    if (signal.aborted) return;
    if (failure instanceof ApiFailure && !mayPass(failure)) return options.onRefused(failure);
    options.onDown();
    failures += 1;
    await pause(delayAfter(failure, failures), signal);
  }
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
  let longest = OPENING_MS;
  const watch = window.setInterval(() => {
    if (Date.now() - lastByte > longest) cut();
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
      longest = SILENCE_MS;
      onLine();
      parser.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    window.clearInterval(watch);
    signal.removeEventListener('abort', cut);
    cut();
  }
}
