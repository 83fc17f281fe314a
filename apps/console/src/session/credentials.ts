import { ApiFailure } from '../api/http';
import type { TokenSource } from './session';

/** Makes a source of tokens by an application's id and secret, from Rollcall itself. */
export function clientCredentials(appId: string, secret: string): TokenSource {
  return async () => {
    let response: Response;
    try {
      response = await fetch('/oauth/token', {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: appId, client_secret: secret }),
        credentials: 'omit',
      });
    } catch {
      throw new ApiFailure(0, 'unreachable', 'Rollcall cannot be reached.');
    }
    const body = (await response.json().catch(() => ({}))) as {
      access_token: string;
      expires_in: number;
      error?: string;
      error_description?: string;
    };
    if (response.ok) return body;
    const wrong = body.error === 'invalid_client';
    throw new ApiFailure(
      response.status,
      body.error ?? 'unknown',
      wrong ? 'The id or the secret is wrong.' : (body.error_description ?? `The server answered ${response.status}.`),
    );
  };
}
