/** What a client sent to the token endpoint, wherever it stood: contract §2. */
export interface TokenRequest {
  readonly grantType: string | undefined;
  readonly appId: string | undefined;
  readonly secret: string | undefined;
  /** By HTTP Basic: a refusal must then ask for it. */
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
  const basic = readBasic(authorization);
  return {
    grantType: given('grant_type'),
    appId: basic?.user ?? given('client_id'),
    secret: basic?.password ?? given('client_secret'),
    basic: basic !== undefined,
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function readBasic(authorization: string | undefined): { user: string; password: string } | undefined {
  const encoded = /^basic +([\w+/-]+=*) *$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return { user: decode(text), password: '' };
  return { user: decode(text.slice(0, colon)), password: decode(text.slice(colon + 1)) };
}

/** RFC 6749 §2.3.1 has both form-encoded; what is not is taken as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
