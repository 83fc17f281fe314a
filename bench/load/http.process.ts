import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { serve } from '../lab/child.js';

/** What is sent, by how many at once, or how many a second. */
export interface Load {
  readonly origin: string;
  readonly token?: string | undefined;
  readonly method: 'GET' | 'POST';
  /** Path and body of each request, in order; the last ones follow when `repeat` asks for more. */
  readonly requests: readonly { readonly path: string; readonly body?: string | undefined }[];
  readonly connections: number;
  /** Requests a second; undefined: as many as the connections take. */
  readonly rate?: number;
}

export interface LoadResult {
  /** Requests a second. */
  readonly rate: number;
  /** When each request was sent: CLOCK_MONOTONIC in milliseconds. */
  readonly sentAt: readonly number[];
}

const clock = (): number => Number(process.hrtime.bigint()) / 1e6;

serve<Load>(async ({ origin, token, method, requests, connections, rate }) => {
  const pool = new Pool(origin, { connections });
  const headers: Record<string, string> = method === 'POST' ? { 'content-type': 'application/json' } : {};
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  const sentAt: number[] = [];
  const send = async (nth: number): Promise<void> => {
    const { path, body } = requests[nth]!;
    sentAt[nth] = clock();
    const answer = await pool.request({ method, path, headers, body: body ?? null });
    if (answer.statusCode >= 300) throw new Error(`${path}: ${answer.statusCode} ${await answer.body.text()}`);
    await answer.body.dump();
  };
  let next = 0;
  const startedAt = clock();
  if (rate === undefined) {
    const loop = async (): Promise<void> => {
      while (next < requests.length) await send(next++);
    };
    await Promise.all(Array.from({ length: connections }, loop));
  } else {
    const sends: Promise<void>[] = [];
    for (; next < requests.length; next++) {
      const early = startedAt + (next * 1000) / rate - clock();
      if (early > 1) await delay(early);
      sends.push(send(next));
    }
    await Promise.all(sends);
  }
  const seconds = (clock() - startedAt) / 1000;
  await pool.close();
  return { rate: requests.length / seconds, sentAt } satisfies LoadResult;
});
