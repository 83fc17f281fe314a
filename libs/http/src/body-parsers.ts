import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from './api-error.js';

type Done = (error: Error | null, body?: unknown) => void;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Registers the parsers of request bodies: strict JSON (contract §1), and forms on the routes that accept them. An empty body
 * counts as none, whatever its Content-Type: real clients send one with GET and DELETE.
 */
export function registerBodyParsers(instance: FastifyInstance): void {
  instance.addHook('onRequest', (request, _reply, done) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    if (encoding === undefined && (length === undefined || length === '0')) delete request.headers['content-type'];
    done();
  });
  const parseJson = instance.getDefaultJsonParser('remove', 'remove');
  instance.removeAllContentTypeParsers();
  const read = (request: FastifyRequest, body: Buffer, done: Done): void => {
    if (!isIdentity(request.headers['content-encoding'])) return done(encoded());
    const type = mediaTypeOf(request);
    if (type === '' || type === JSON_TYPE || type.endsWith('+json')) {
      const text = decode(body);
      if (text === undefined) return done(notReadable('must be UTF-8'));
      return parseJson(request, text, (error, value) => done(error ? notReadable('must be JSON') : null, value)) as void;
    }
    if (request.routeOptions.config.acceptsForms && FORM_TYPES.includes(type)) {
      void readForm(request, body).then(
        (fields) => done(null, fields),
        () => done(notReadable(`must be ${type}`)),
      );
      return;
    }
    done(unsupported(request, type));
  };
  instance.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined);
    // Real clients send whatever they have with a DELETE: what cannot be read counts as none.
    if (request.method === 'DELETE') return read(request, body, (_error, value) => done(null, value));
    read(request, body, done);
  });
}

const JSON_TYPE = 'application/json';
const FORM_TYPES = ['application/x-www-form-urlencoded', 'multipart/form-data'];

/** Tells whether a body is sent uncompressed; a list of codings may name `identity` only: RFC 9110 §8.4. */
function isIdentity(encoding: string | undefined): boolean {
  return (encoding ?? '').split(',').every((coding) => /^\s*(identity)?\s*$/i.test(coding));
}

function encoded(): ApiError {
  return new ApiError('unsupported_media_type', 'The request body must not be compressed: send it without Content-Encoding', {
    headers: { 'accept-encoding': 'identity' },
  });
}

function unsupported(request: FastifyRequest, type: string): ApiError {
  const wanted = request.routeOptions.config.acceptsForms ? [...FORM_TYPES, JSON_TYPE].join(', ') : JSON_TYPE;
  const came = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(type) ? `, not ${type}` : '';
  const hint = FORM_TYPES.includes(type) ? ': send the fields as a JSON object, with that Content-Type' : '';
  return new ApiError('unsupported_media_type', `The request body must be ${wanted}${came}${hint}`);
}

function mediaTypeOf(request: FastifyRequest): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

/** @returns undefined when the bytes are not UTF-8 */
function decode(body: Buffer): string | undefined {
  try {
    return utf8.decode(body);
  } catch {
    return undefined;
  }
}

/** Reads a form with the platform's own parser. Files are ignored, and of a repeated field the first value counts. */
async function readForm(request: FastifyRequest, body: Buffer): Promise<Record<string, string>> {
  const form = await new Response(new Uint8Array(body), {
    headers: { 'content-type': request.headers['content-type']! },
  }).formData();
  const fields = new Map<string, string>();
  for (const [name, value] of form) if (typeof value === 'string' && !fields.has(name)) fields.set(name, value);
  return Object.fromEntries(fields);
}

function notReadable(why: string): ApiError {
  return new ApiError('validation_error', `The request body ${why}`, { errors: { body: [why] } });
}
