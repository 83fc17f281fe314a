import type { CredentialPair } from './credential-verifier.js';

/** What a client sent to the token endpoint, wherever it stood: contract §2. */
export interface TokenRequest {
  readonly grantType: string | undefined;
  /** The readings of its id and secret, the likeliest first; none: one of them is missing. */
  readonly credentials: readonly CredentialPair[];
  /** HTTP Basic was tried, be it with what cannot be read: a refusal must then ask for it (RFC 6749 §5.2). */
  readonly basic: boolean;
}

/**
 * Collects a token request from the body (form or JSON), the query string and HTTP Basic, in that order of precedence
 * but for Basic, which counts before both. Pure.
 *
 * @returns undefined when a field is no string
 */
export function readTokenRequest(body: unknown, query: unknown, authorization: string | undefined): TokenRequest | undefined {
  const fields: Record<string, unknown> = { ...record(query), ...record(body) };
  const given = (name: string): string | undefined => {
    const value = fields[name];
    return value === '' || value === null ? undefined : (value as string | undefined);
  };
  if (['grant_type', 'client_id', 'client_secret'].some((name) => !['string', 'undefined'].includes(typeof given(name))))
    return undefined;
  const [appId, secret] = [given('client_id'), given('client_secret')];
  return {
    grantType: given('grant_type'),
    credentials: readBasic(authorization) ?? (appId === undefined || secret === undefined ? [] : [{ appId, secret }]),
    basic: /^basic(\s|$)/i.test(authorization ?? ''),
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** @returns the pair as it stands there (RFC 7617), and form-decoded (RFC 6749 §2.3.1) where that is another one */
function readBasic(authorization: string | undefined): CredentialPair[] | undefined {
  const encoded = /^basic +([\w+/-]+=*) *$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [appId = '', ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  const raw = { appId, secret: rest.join(':') };
  const decoded = { appId: formDecode(raw.appId), secret: formDecode(raw.secret) };
  if (decoded.appId === undefined || decoded.secret === undefined) return [raw];
  return decoded.appId === raw.appId && decoded.secret === raw.secret
    ? [raw]
    : [raw, { appId: decoded.appId, secret: decoded.secret }];
}

/** @returns undefined where the text is not form-encoded */
function formDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}
