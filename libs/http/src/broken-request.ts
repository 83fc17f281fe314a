import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { unserved, type AllowedMethods } from './allowed-methods.js';
import { ApiError } from './api-error.js';
import { errorResponse } from './error-response.js';

/** What Node's parser says of a request that it does not take, and with it what it has read of it. */
interface ParserError extends Error {
  readonly code?: string;
  /** A Buffer. */
  readonly rawPacket?: unknown;
  /** How many bytes of that it took. */
  readonly bytesParsed?: number;
}

/** Answers what Node's HTTP parser refuses, in the same form as every other error. */
export function answerBrokenRequest(error: ParserError, socket: Socket, allowed: AllowedMethods | undefined): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const target = targetOfUnknownMethod(error);
  if (target !== undefined && allowed) return write(socket, unserved(allowed.find(target)));
  const [httpStatus, message] = BROKEN[error.code ?? ''] ?? [400, 'The request is not valid HTTP'];
  write(socket, new ApiError('validation_error', message, { httpStatus, errors: { request: [message] } }));
}

/** Answers CONNECT, which Node emits as an event of its own and would otherwise close without an answer. */
export function refuseConnect(server: Server, allowed: AllowedMethods): void {
  server.on('connect', ({ url = '' }: IncomingMessage, socket: Socket) => {
    socket.on('error', () => socket.destroy());
    write(socket, unserved(allowed.find(url)));
  });
}

/** Reads the target of a request whose method Node's parser does not know, if the request line arrived in one piece. */
function targetOfUnknownMethod({ code, rawPacket, bytesParsed = 0 }: ParserError): string | undefined {
  if (code !== 'HPE_INVALID_METHOD' || !Buffer.isBuffer(rawPacket)) return undefined;
  const line = /^([\w!#$%&'*+.^`|~-]+) (\S+) HTTP\/1\.[01]\r?\n/.exec(rawPacket.toString('latin1'));
  // Further on it is another request than the first of the packet.
  return line && bytesParsed <= line[1]!.length ? line[2] : undefined;
}

const BROKEN: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The request headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive'],
};

function write(socket: Socket, error: ApiError): void {
  const { httpStatus, body, headers } = errorResponse(error);
  const text = JSON.stringify(body);
  const head = {
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
  };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${httpStatus} ${STATUS_CODES[httpStatus]}\r\n${lines.join('')}\r\n${text}`);
}
