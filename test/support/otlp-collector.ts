import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string };
}

/** A span as the collector got it, and the service that sent it. */
export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Absent for the first of a trace. */
  readonly parentSpanId?: string;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** 2: an error. */
  readonly status: number | undefined;
}

interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Pick<CollectedSpan, 'name' | 'traceId' | 'spanId' | 'parentSpanId'> & {
        readonly attributes: readonly Attribute[];
        readonly status?: { readonly code?: number };
      })[];
    }[];
  }[];
}

/** A collector that takes OTLP over HTTP, reads what comes as JSON, and keeps what comes as protobuf as it is. */
export class OtlpCollector {
  readonly spans: CollectedSpan[] = [];
  readonly requests: {
    readonly contentType: string | undefined;
    readonly authorization: string | undefined;
    readonly body: Buffer;
  }[] = [];
  /** What it answers; 0: nothing. */
  status = 200;
  /** Requests that it did not take, and that it did not answer. */
  refused = 0;
  silent = 0;

  private constructor(private readonly server: Server) {}

  /** @param port free unless given */
  static async start(port = 0): Promise<OtlpCollector> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const isTraces = request.method === 'POST' && request.url === '/v1/traces';
        if (isTraces && collector.status === 0) return void (collector.silent += 1);
        if (isTraces && collector.status === 200) collector.take(request.headers, Buffer.concat(chunks));
        else collector.refused += 1;
        response.writeHead(isTraces ? collector.status : 404, { 'content-type': 'application/json' }).end('{}');
      });
    });
    const collector = new OtlpCollector(server);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return collector;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Returns the spans of a trace, by name; of several of one name, in the order in which they came. */
  trace(traceId: string): Record<string, CollectedSpan[]> {
    const byName: Record<string, CollectedSpan[]> = {};
    for (const span of this.spans) if (span.traceId === traceId) (byName[span.name] ??= []).push(span);
    return byName;
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private take(headers: NodeJS.Dict<string | string[]>, body: Buffer): void {
    const contentType = headers['content-type'] as string | undefined;
    this.requests.push({ contentType, authorization: headers['authorization'] as string | undefined, body });
    if (contentType !== 'application/json') return;
    for (const { resource, scopeSpans } of (JSON.parse(body.toString()) as OtlpRequest).resourceSpans) {
      const service = String(valuesOf(resource.attributes)['service.name']);
      for (const { name, traceId, spanId, parentSpanId, attributes, status } of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          ...{ service, name, traceId, spanId },
          ...(parentSpanId && { parentSpanId }),
          attributes: valuesOf(attributes),
          status: status?.code,
        });
      }
    }
  }
}

function valuesOf(attributes: readonly Attribute[]): Record<string, string | number> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));
}
