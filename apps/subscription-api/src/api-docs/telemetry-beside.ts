import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiError } from '#http';
import type { OpenAPIObject } from '#openapi';

/** As presence has it: a thousand of the longest items. */
const BODY_LIMIT = 4 * 1024 * 1024;

/**
 * Takes telemetry for a presence in the same process, so that a page from here, which browsers let call nobody else, can make
 * something happen. Presence decides who may.
 */
export function forwardTelemetry(app: NestFastifyApplication, presenceUrl: string): void {
  const instance = app.getHttpAdapter().getInstance();
  instance.post('/telemetry', { bodyLimit: BODY_LIMIT, config: { public: true } }, async (request, reply) => {
    const { authorization } = request.headers;
    const answer = await fetch(`${presenceUrl}/telemetry`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) },
      body: JSON.stringify(request.body ?? null),
    }).catch(() => {
      throw new ApiError('unavailable', 'Presence is not running', { headers: { 'retry-after': '1' } });
    });
    for (const name of ['content-type', 'retry-after', 'www-authenticate']) {
      const value = answer.headers.get(name);
      if (value !== null) reply.header(name, value);
    }
    return reply.code(answer.status).send(Buffer.from(await answer.arrayBuffer()));
  });
}

/** Adds presence's own description of its API to the document. */
export async function withTelemetry(document: OpenAPIObject, presenceUrl: string): Promise<OpenAPIObject> {
  const response = await fetch(`${presenceUrl}/api/openapi.json`);
  if (!response.ok) throw new Error(`presence does not describe itself: HTTP ${response.status}`);
  const { paths, components, tags } = (await response.json()) as OpenAPIObject;
  return {
    ...document,
    paths: { ...document.paths, ...paths },
    components: { ...document.components, schemas: { ...document.components?.schemas, ...components?.schemas } },
    tags: inFrontOf(document.tags ?? [], 'Agent status', tags ?? []),
  };
}

/** Inserts tags before another one: telemetry comes before agent status, so that the page works from top to bottom. */
function inFrontOf<T extends { readonly name: string }>(tags: readonly T[], name: string, more: readonly T[]): T[] {
  const index = tags.findIndex((tag) => tag.name === name);
  return index < 0 ? [...tags, ...more] : tags.toSpliced(index, 0, ...more);
}
