import type { TokenSource } from './session';

/** Signing in at an OpenID issuer: authorization code with PKCE (RFC 7636), in a window of its own that hands the code back. */

export interface Issuer {
  readonly clientId: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  /** Whom its tokens have to be for. */
  readonly audience: string;
}

interface TokenAnswer {
  readonly access_token: string;
  readonly expires_in?: number;
  readonly refresh_token?: string;
  readonly error?: string;
  readonly error_description?: string;
}

/** The page that the issuer leads back to: any of the console's, which looks for a code when it has an opener. */
const RETURN_PATH = '/console/';
const DEFAULT_LIFE_S = 300;
const LOOK_MS = 200;

/**
 * Makes a source of tokens of an issuer; the first comes by asking the person, further ones by the refresh token. Without one there is no
 * further one: nobody is asked, and no window opened, that did not press a button for it.
 */
export function issuerTokens(issuer: Issuer): TokenSource {
  let isIn = false;
  let refreshToken: string | undefined;
  const next = (): Promise<TokenAnswer> => {
    if (!isIn) return signInThere(issuer);
    if (refreshToken === undefined) throw new Error('The issuer gave nothing to renew the token with.');
    return exchange(issuer, { grant_type: 'refresh_token', refresh_token: refreshToken });
  };
  return async () => {
    const answer = await next();
    isIn = true;
    refreshToken = answer.refresh_token ?? refreshToken;
    return { access_token: answer.access_token, expires_in: answer.expires_in ?? DEFAULT_LIFE_S };
  };
}

async function signInThere(issuer: Issuer): Promise<TokenAnswer> {
  const verifier = randomText();
  const state = randomText();
  const redirect = new URL(RETURN_PATH, window.location.href).href;
  const address = new URL(issuer.authorizationEndpoint);
  const popup = window.open('about:blank', 'rollcall-sign-in', 'popup,width=520,height=680');
  if (!popup) throw new Error('The browser did not open the window to sign in: allow it for this page.');
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const parameters = {
    response_type: 'code',
    client_id: issuer.clientId,
    redirect_uri: redirect,
    scope: 'openid',
    state,
    code_challenge: base64Url(new Uint8Array(digest)),
    code_challenge_method: 'S256',
    ...forAudience(issuer),
  };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  popup.location.href = address.href;
  const code = await codeOf(popup, state);
  return exchange(issuer, { grant_type: 'authorization_code', code, redirect_uri: redirect, code_verifier: verifier });
}

/** Waits until the window is back at our own address, or was closed. */
function codeOf(popup: Window, state: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = window.setInterval(() => {
      if (popup.closed) {
        window.clearInterval(timer);
        reject(new Error('The window was closed before you had signed in.'));
        return;
      }
      const search = searchOf(popup);
      if (!search || (!search.has('code') && !search.has('error'))) return;
      window.clearInterval(timer);
      popup.close();
      const code = search.get('code');
      if (search.get('state') !== state) reject(new Error('The answer was not to this question. Try again.'));
      else if (code === null) reject(new Error(search.get('error_description') ?? search.get('error') ?? 'Signing in failed.'));
      else resolve(code);
    }, LOOK_MS);
  });
}

/** @returns undefined while the window shows another origin's page */
function searchOf(popup: Window): URLSearchParams | undefined {
  try {
    return new URLSearchParams(popup.location.search);
  } catch {
    return undefined;
  }
}

async function exchange(issuer: Issuer, fields: Readonly<Record<string, string>>): Promise<TokenAnswer> {
  const response = await fetch(issuer.tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams({ ...fields, ...forAudience(issuer), client_id: issuer.clientId }),
    credentials: 'omit',
  });
  const answer = (await response.json()) as TokenAnswer;
  if (!response.ok) throw new Error(answer.error_description ?? answer.error ?? `The issuer answered ${response.status}.`);
  return answer;
}

/** Issuers are told in two ways whom a token is for, and pass over what they do not know: RFC 8707, which takes addresses only, and `audience`. */
function forAudience({ audience }: Issuer): Readonly<Record<string, string>> {
  return URL.canParse(audience) ? { audience, resource: audience } : { audience };
}

function randomText(): string {
  return base64Url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
