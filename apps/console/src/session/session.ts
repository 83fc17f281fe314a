import { createStore } from '../store';
import type { Access, User } from '../api/types';

/** Who is signed in. Everything is kept in memory alone: a reload signs out. */

export interface Session {
  readonly login: string;
  readonly access: Access;
  /** The application's own client. */
  readonly ownClient: number;
  /** The client that is looked at: another one for a platform application that has switched. */
  readonly client: number;
}

export type SessionState =
  | { readonly kind: 'out'; /** The last one ended without being asked to. */ readonly ended: boolean }
  | ({ readonly kind: 'in' } & Session);

/** Gets a token: by id and secret, or from an issuer. */
export type TokenSource = () => Promise<{ readonly access_token: string; readonly expires_in: number }>;

/** A token is replaced this long before it ends, in milliseconds. */
const RENEW_BEFORE_MS = 60_000;

export const session = createStore<SessionState>({ kind: 'out', ended: false });

let source: TokenSource | undefined;
let token: { readonly text: string; readonly renewAt: number } | undefined;
let renewing: Promise<void> | undefined;

/** Returns the client that paths name. */
export function currentClient(): number | '@me' {
  const state = session.get();
  return state.kind === 'in' ? state.client : '@me';
}

/** Returns a token that is good for a while; undefined where nobody is signed in. */
export async function currentToken(): Promise<string | undefined> {
  if (token && source && Date.now() >= token.renewAt) {
    // Where that fails, the old one is used to its end; the server then says that it has come.
    renewing ??= renew(source)
      .catch(() => undefined)
      .finally(() => (renewing = undefined));
    await renewing;
  }
  return token?.text;
}

async function renew(from: TokenSource): Promise<void> {
  const { access_token, expires_in } = await from();
  if (source !== from) return; // signed out meanwhile
  const life = expires_in * 1000;
  token = { text: access_token, renewAt: Date.now() + Math.max(life / 2, life - RENEW_BEFORE_MS) };
}

/**
 * Signs in.
 *
 * @throws what the source, or the question who this is, threw; nobody is signed in then
 */
export async function signIn(from: TokenSource, whoAmI: () => Promise<User>): Promise<void> {
  source = from;
  try {
    await renew(from);
    const { login, access, client_id } = await whoAmI();
    session.set({ kind: 'in', login, access, ownClient: client_id, client: client_id });
  } catch (error) {
    forget();
    throw error;
  }
}

/** Looks at another client: for applications with access `platform`. */
export function switchClient(client: number): void {
  const state = session.get();
  if (state.kind === 'in') session.set({ ...state, client });
}

export function signOut(): void {
  forget();
  session.set({ kind: 'out', ended: false });
}

/** Ends the session, since the server takes the token no more. */
export function endSession(): void {
  if (session.get().kind === 'out') return;
  forget();
  session.set({ kind: 'out', ended: true });
}

function forget(): void {
  source = undefined;
  token = undefined;
}

/** Tells whether an application may change agents and what belongs to the client, by its access level. */
export function mayManageAgents(access: Access): boolean {
  return access !== 'call_api';
}
