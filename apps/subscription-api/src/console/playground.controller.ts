import { All, Body, Controller, Delete, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApplicationRepository } from '#applications';
import { CurrentPrincipal, Public, RequireAccess, signToken, type Principal } from '#auth';
import { ApiError } from '#http';
import { notFound } from '../http/path-params.js';
import { SigningKeys } from '../tokens/tokens.module.js';
import { WebhookSecrets } from '../webhook-secrets/webhook-secrets.module.js';
import { PLAYGROUND, visibleTo, type Playground, type Received } from './playground.js';

const PATH = 'console/playground';
/** Longer than the receiver lets a reader wait for what comes next. */
const PASS_ON_TIMEOUT_MS = 60_000;

/** Passes the playground's calls on to presence and the demo receiver, for the application's own client alone: contract §3 and §8. */
@ApiExcludeController()
@Controller(PATH)
export class PlaygroundController {
  constructor(
    @Inject(PLAYGROUND) private readonly playground: Playground,
    private readonly applications: ApplicationRepository,
    private readonly signingKeys: SigningKeys,
    private readonly secrets: WebhookSecrets,
  ) {}

  /** Takes one item of telemetry, or an array of them; `client_id` may be left out. */
  @Post('telemetry')
  @RequireAccess('all')
  @HttpCode(200)
  async report(
    @CurrentPrincipal() { clientId }: Principal,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    assertJson(request);
    const items = (Array.isArray(body) ? body : [body]).map((item) => ofClient(item, clientId));
    await passOn(reply, `${this.playground.presence}/telemetry`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await this.reporterToken()}` },
      body: JSON.stringify(items),
    });
  }

  /** Returns where an agent event has to point to for its notifications to show here. */
  @Get('receiver')
  @RequireAccess('all')
  receiver(): { readonly url: string } {
    return { url: this.playground.receiver };
  }

  @Get('received')
  @RequireAccess('all')
  async received(
    @CurrentPrincipal() { clientId }: Principal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { search } = new URL(request.url, this.playground.receiver);
    const keys = await this.secrets.signingKeys(clientId);
    await passOn(reply, `${this.playground.receiver}/received${search}`, {}, (body) => visibleTo(keys, body as Received[]));
  }

  @Delete('received')
  @RequireAccess('all')
  async forget(@Res() reply: FastifyReply): Promise<void> {
    await passOn(reply, `${this.playground.receiver}/received`, { method: 'DELETE' });
  }

  @Post('mode')
  @RequireAccess('all')
  @HttpCode(200)
  async mode(@Body() body: unknown, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    assertJson(request);
    await passOn(reply, `${this.playground.receiver}/mode`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body ?? null),
    });
  }

  private async reporterToken(): Promise<string> {
    const found = await this.applications.findByAppId(this.playground.reporter);
    if (!found || found.revokedAt || found.access !== 'platform') {
      throw new ApiError('unavailable', `The application ${this.playground.reporter} cannot report telemetry any more`);
    }
    const { id, appId, clientId, access } = found;
    return signToken({ applicationId: id, appId, clientId, access }, this.signingKeys.current);
  }
}

/** Answers 404 to everybody where there is no playground. */
@ApiExcludeController()
@Controller(PATH)
export class NoPlaygroundController {
  @All('*')
  @Public()
  refuse(): never {
    throw notFound('not_found');
  }
}

/** Refuses a body that is not sent as JSON: a page of another origin cannot send that Content-Type without a preflight. */
function assertJson(request: FastifyRequest): void {
  if (/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) return;
  throw new ApiError('unsupported_media_type', 'The request body must be application/json, with that Content-Type');
}

/** Sets an item's client to the caller's own, and refuses another one. The rest of the item is for presence to check. */
function ofClient(item: unknown, clientId: number): unknown {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
  const { client_id: named = clientId } = item as { client_id?: unknown };
  if (String(named) !== String(clientId)) throw new ApiError('access_denied', 'Access denied');
  return { ...item, client_id: String(clientId) };
}

/** @param shown what is shown of a good answer; all of it by default */
async function passOn(
  reply: FastifyReply,
  url: string,
  init: RequestInit,
  shown: (body: unknown) => unknown = (body) => body,
): Promise<void> {
  let status: number;
  let text: string;
  try {
    const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(PASS_ON_TIMEOUT_MS) });
    status = answer.status;
    text = await answer.text();
  } catch {
    throw new ApiError('unavailable', 'The other parts of the playground do not answer');
  }
  if (text === '') return void reply.code(status).send();
  const body = JSON.parse(text) as unknown;
  await reply.code(status).send(status < 300 ? shown(body) : body);
}
