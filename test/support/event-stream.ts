import { expect } from 'vitest';
import type { ApiFixture, ApplicationName } from './subscription-api.js';
import { eventually } from './poll.js';

/** An event as a reader sees it. */
export interface ReceivedEvent {
  readonly id: number;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** A reader of Server-Sent Events, whose events pile up. */
export interface StreamReader {
  readonly events: readonly ReceivedEvent[];
  readonly text: string;
  /** The stream was ended by the server, in good order. */
  readonly isEnded: boolean;
  close(): void;
}

export interface StreamRequest {
  readonly app?: ApplicationName;
  readonly token?: string;
  readonly client?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
  /** Of another instance. */
  readonly url?: string;
}

/** Opens the stream of a client's agents and reads it. */
export async function openStream(api: ApiFixture, request: StreamRequest = {}): Promise<StreamReader> {
  const { app = 'demo', client = '@me', headers = {}, query = '', url = api.url } = request;
  return readStream(`${url}/api/ver1.0/client/${client}/agent_status/stream${query}`, {
    authorization: `Bearer ${request.token ?? (await api.token(app))}`,
    ...headers,
  });
}

/** Opens a stream and reads it. */
export async function readStream(url: string, headers: Readonly<Record<string, string>>): Promise<StreamReader> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  const reader = { text: '', isEnded: false, events: [] as ReceivedEvent[], close: () => abort.abort() };
  const read = async (): Promise<void> => {
    let rest = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      reader.text += chunk;
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop()!;
      reader.events.push(...blocks.map(eventOf));
    }
    reader.isEnded = true;
  };
  read().catch(() => undefined); // the test closed it
  await eventually('the first line', () => reader.text !== '');
  return reader;
}

/** Every blank line ends an event, also one that tells nothing: as readers do that hand on whatever ends so. */
function eventOf(block: string): ReceivedEvent {
  const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
  return { id: Number(field('id')), event: field('event'), data: JSON.parse(field('data')) as Record<string, unknown> };
}
