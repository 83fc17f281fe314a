import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from './child.js';

/**
 * The third party of all rows and of all their limits: Node's own HTTP server, which answers 200 and counts. It can note when
 * each request came, and leave those of one origin without an answer.
 */
export type ReceiverQuestion =
  | { readonly do: 'listen'; readonly origins: number }
  | { readonly do: 'reset'; readonly note?: boolean; readonly hang?: number }
  | { readonly do: 'count' }
  | { readonly do: 'notes' };

/** A request that came: the agent's id and sequence, and CLOCK_MONOTONIC in milliseconds. */
export type Note = readonly [key: string, at: number];

const servers: Server[] = [];
let counts: number[] = [];
let notes: Note[] | undefined;
let hanging = -1;

function receive(index: number): Server {
  const server = createServer((request, response) => {
    let body = '';
    if (notes) request.setEncoding('latin1').on('data', (text: string) => (body += text));
    else request.resume();
    request.on('end', () => {
      if (index === hanging) return;
      if (notes) {
        const at = Number(process.hrtime.bigint()) / 1e6;
        notes.push([`${/agent_id=(\d+)/.exec(body)?.[1]}:${String(request.headers['webhook-sequence'])}`, at]);
      }
      counts[index]! += 1;
      response.writeHead(200, { 'content-length': 2 }).end('ok');
    });
  });
  server.keepAliveTimeout = 60_000;
  return server;
}

serve<ReceiverQuestion>(async (question) => {
  switch (question.do) {
    case 'listen': {
      for (let index = 0; index < question.origins; index++) {
        const server = receive(index).listen(0, '127.0.0.1');
        await once(server, 'listening');
        servers.push(server);
      }
      counts = servers.map(() => 0);
      return servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    }
    case 'reset':
      counts = servers.map(() => 0);
      notes = question.note ? [] : undefined;
      hanging = question.hang ?? -1;
      return null;
    case 'count':
      return counts;
    case 'notes':
      return notes ?? [];
  }
});
