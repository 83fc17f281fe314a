import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AGENT_TYPES, ID_LIMIT, nameFieldOf, parseId, type AgentKey, type AgentType } from '#contracts';
import { ApiError, type ApiErrorCode } from '#http';

/** Contract §1. */
export const API_PREFIX = 'api/ver1.0';
export const CLIENTS_PATH = `${API_PREFIX}/client`;
/** Base of every resource of a client: contract §3. */
export const CLIENT_PATH = `${CLIENTS_PATH}/:client_id`;
export const AGENTS_PATH = `${CLIENT_PATH}/agent/:type`;
export const AGENT_PATH = `${AGENTS_PATH}/:agent_id`;
export const AGENT_EVENTS_OF_AGENT_PATH = `${AGENT_PATH}/event`;
export const AGENT_EVENTS_OF_CLIENT_PATH = `${CLIENT_PATH}/agent_events`;

declare module 'fastify' {
  interface FastifyRequest {
    /** The client that the path names, which the application may act for; set before the body is read. */
    clientId?: number;
  }
}

/** An agent as a path names it; whether there is one is not known yet. */
export interface AgentRef extends AgentKey {
  readonly agentType: AgentType;
}

/** Whose agent events: of one agent, or those for every agent of a client. */
export type Scope = AgentRef | { readonly clientId: number };

export function isAgent(scope: Scope): scope is AgentRef {
  return 'agentId' in scope;
}

const MESSAGES = {
  agent_not_found: 'Agent not found',
  event_not_found: 'Agent event not found',
  delivery_not_found: 'Delivery not found',
  client_not_found: 'Client not found',
  not_found: 'Not found',
} as const satisfies Partial<Record<ApiErrorCode, string>>;

const TYPES = `the type in the path must be ${AGENT_TYPES.join(' or ')}`;
const AN_ID = `must be a decimal number below ${ID_LIMIT}`;

/**
 * Makes the 404 of the path segment that names nothing.
 *
 * @param why what is wrong with the segment, where it can name nothing at all
 */
export function notFound(code: keyof typeof MESSAGES, why?: string): ApiError {
  return new ApiError(code, why === undefined ? MESSAGES[code] : `${MESSAGES[code]}: ${why}`);
}

/** Makes the 404 of a segment that should name a client and is no id. */
export function noClientId(code: 'client_not_found' | 'not_found'): ApiError {
  return notFound(code, `the client in the path ${AN_ID}, or @me`);
}

/** Makes the 404 of an agent that was never seen, or is of the other type; it says how to create one. */
export function agentNotFound({ agentType, agentId }: AgentRef): ApiError {
  const name = nameFieldOf(agentType);
  return notFound(
    'agent_not_found',
    `create it with PUT /agent/${agentType}/${agentId} and its ${name} (access all), or with its first telemetry, which needs the ${name}, too`,
  );
}

const requestOf = (context: ExecutionContext): FastifyRequest => context.switchToHttp().getRequest<FastifyRequest>();
const paramsOf = (context: ExecutionContext): Record<string, string> => requestOf(context).params as Record<string, string>;

/** The client of the path, checked. */
export const ClientId = createParamDecorator((_data: unknown, context: ExecutionContext): number => clientIdOf(context));

/** `local` or `remote`. */
export const AgentTypeParam = createParamDecorator((_data: unknown, context: ExecutionContext): AgentType => {
  const type = AGENT_TYPES.find((known) => known === paramsOf(context)['type']);
  if (!type) throw notFound('not_found', TYPES);
  return type;
});

/** The agent of the path. */
export const Agent = createParamDecorator((_data: unknown, context: ExecutionContext): AgentRef => agentOf(context));

/** Whose agent event the path names: the agent's, or (`/agent_events/`) the client's for all its agents. */
export const EventScope = createParamDecorator((_data: unknown, context: ExecutionContext): Scope =>
  paramsOf(context)['agent_id'] === undefined ? { clientId: clientIdOf(context) } : agentOf(context),
);

function agentOf(context: ExecutionContext): AgentRef {
  const { type, agent_id } = paramsOf(context);
  const agentType = AGENT_TYPES.find((known) => known === type);
  const agentId = parseId(agent_id ?? '');
  if (!agentType) throw notFound('agent_not_found', TYPES);
  if (agentId === undefined) throw notFound('agent_not_found', `the agent in the path ${AN_ID}`);
  return { clientId: clientIdOf(context), agentType, agentId };
}

/** The agent event's id. */
export const EventId = createParamDecorator((_data: unknown, context: ExecutionContext): number => {
  const id = parseId(paramsOf(context)['event_id'] ?? '');
  if (id === undefined) throw notFound('event_not_found', `the agent event in the path ${AN_ID}`);
  return id;
});

/** A replay's id. */
export const ReplayId = createParamDecorator((_data: unknown, context: ExecutionContext): number => {
  const id = parseId(paramsOf(context)['replay_id'] ?? '');
  if (id === undefined) throw notFound('not_found', `the replay in the path ${AN_ID}`);
  return id;
});

/** A notice event's id. */
export const NoticeEventId = createParamDecorator((_data: unknown, context: ExecutionContext): number => {
  const id = parseId(paramsOf(context)['notice_event_id'] ?? '');
  if (id === undefined) throw notFound('not_found', `the notice event in the path ${AN_ID}`);
  return id;
});

function clientIdOf(context: ExecutionContext): number {
  const { clientId } = requestOf(context);
  if (clientId === undefined) throw new Error('the client of a path is set before its handler runs');
  return clientId;
}
