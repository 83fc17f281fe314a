import { connect } from 'node:net';
import type { Settings } from '#runtime';
import { error, ok, warning, type Finding } from './finding.js';

const TIMEOUT_MS = 5000;

/** Looks whether the OpenID issuer answers as one. */
export async function checkIssuer({ OIDC_ISSUER }: Pick<Settings, 'OIDC_ISSUER'>): Promise<Finding> {
  if (OIDC_ISSUER === undefined) return ok('oidc', 'tokens are our own: OIDC_ISSUER is not set');
  const url = `${OIDC_ISSUER.replace(/\/$/, '')}/.well-known/openid-configuration`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const { issuer, jwks_uri } = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
    if (issuer !== OIDC_ISSUER) throw new Error(`it calls itself ${JSON.stringify(issuer)}`);
    if (typeof jwks_uri !== 'string') throw new Error('it names no jwks_uri');
    return ok('oidc', `${OIDC_ISSUER} answers`);
  } catch (cause) {
    return error(
      'oidc',
      `${url}: ${reasonOf(cause)}`,
      'set OIDC_ISSUER to exactly what the issuer calls itself, and let subscription-api and presence reach it',
    );
  }
}

/** Looks whether subscription-api answers where others are told that it is. */
export async function checkPublicUrl({ PUBLIC_URL }: Pick<Settings, 'PUBLIC_URL'>): Promise<Finding> {
  if (PUBLIC_URL === undefined) return ok('public_url', 'URLs are named as requests name them: PUBLIC_URL is not set');
  const url = `${PUBLIC_URL}/api/openapi.json`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const { info } = (await response.json()) as { info?: { title?: unknown } };
    if (info?.title !== 'Rollcall') throw new Error('what answers there is not Rollcall');
    return ok('public_url', `${PUBLIC_URL} answers`);
  } catch (cause) {
    return warning(
      'public_url',
      `${url}: ${reasonOf(cause)}`,
      'set PUBLIC_URL to where the proxy serves subscription-api, and start that; nothing is wrong where only this machine cannot reach it',
    );
  }
}

/** Looks whether connections to a public address leave this network, as notifications do. */
export function checkEgress(address: string): Promise<Finding> {
  const [, host = '', port = ''] = /^\[?([^\]]+)\]?:(\d+)$/.exec(address) ?? [];
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: TIMEOUT_MS });
    const end = (finding: Finding): void => {
      socket.destroy();
      resolve(finding);
    };
    const refuse = (reason: string): void =>
      end(
        warning(
          'egress',
          `${address}: ${reason}`,
          'let the dispatcher connect to public addresses, or name another one with --probe; nothing is wrong where all receivers are inside',
        ),
      );
    socket.once('connect', () => end(ok('egress', `${address} can be reached`)));
    socket.once('timeout', () => refuse(`no connection within ${TIMEOUT_MS / 1000} s`));
    socket.once('error', (cause) => refuse(cause.message));
  });
}

/** What is behind an error of `fetch`, which says nothing itself. */
function reasonOf(cause: unknown): string {
  const { message, cause: inner } = cause as Error;
  return inner instanceof Error ? inner.message : message;
}
