import { useEffect, useState, type FormEvent, type ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { call, ofApi } from '../api/http';
import { configQuery } from '../api/queries';
import type { ConsoleConfig, User } from '../api/types';
import { textOf } from '../parts/field';
import { Logo } from '../parts/icons';
import { clientCredentials } from '../session/credentials';
import { issuerTokens } from '../session/issuer';
import { signIn, type TokenSource } from '../session/session';

const whoAmI = (): Promise<User> => call<User>('GET', ofApi('/user'));

/** Shows the way in, at whatever address: where one was is where one is afterwards. */
export function SignIn({ ended }: { readonly ended: boolean }): ReactNode {
  const config = useQuery(configQuery);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    document.title = 'Sign in · Rollcall';
  }, []);

  const enter = async (source: TokenSource): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      await signIn(source, whoAmI);
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setBusy(false);
    }
  };

  return (
    <main className="sign-in">
      <div className="card sign-in-card">
        <div className="brand">
          <Logo />
          <span>Rollcall</span>
        </div>
        <h1>Sign in</h1>
        {ended && <p className="notice">Your session has ended. Sign in again.</p>}
        {config.data?.issuer ? (
          <IssuerSignIn issuer={config.data.issuer} busy={busy} enter={enter} />
        ) : (
          <ApplicationForm busy={busy} enter={enter} />
        )}
        {problem !== undefined && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <Demo demo={config.data?.demo ?? []} busy={busy} enter={enter} />
        <p className="muted small">
          Nothing is stored in this browser: a reload signs you out. Everything that is shown here is in the{' '}
          <a href="/api/docs">API</a> too.
        </p>
      </div>
    </main>
  );
}

interface Entrance {
  readonly busy: boolean;
  readonly enter: (source: TokenSource) => Promise<void>;
}

function ApplicationForm({ busy, enter }: Entrance): ReactNode {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    void enter(clientCredentials(textOf(form, 'id'), textOf(form, 'secret')));
  };
  return (
    <form onSubmit={submit} className="form">
      <label className="field">
        <span>Application id</span>
        <input name="id" required autoComplete="username" autoCapitalize="none" spellCheck={false} />
      </label>
      <label className="field">
        <span>Secret</span>
        <input name="secret" type="password" required autoComplete="current-password" />
      </label>
      <button type="submit" className="button primary wide" disabled={busy}>
        {busy ? 'Signing in …' : 'Sign in'}
      </button>
    </form>
  );
}

/** The demo application that manages agents; the others are to be typed in. */
function Demo({ demo, busy, enter }: Entrance & { readonly demo: ConsoleConfig['demo'] }): ReactNode {
  const application = demo.find(({ access }) => access === 'all') ?? demo[0];
  if (!application) return null;
  return (
    <>
      <div className="or" aria-hidden="true">
        or
      </div>
      <button
        type="button"
        className="button wide"
        disabled={busy}
        onClick={() => void enter(clientCredentials(application.app_id, application.secret))}
      >
        Continue with the demo application
      </button>
    </>
  );
}

function IssuerSignIn({ issuer, busy, enter }: Entrance & { readonly issuer: NonNullable<ConsoleConfig['issuer']> }): ReactNode {
  const { client_id, authorization_endpoint, token_endpoint, audience, issuer: name } = issuer;
  if (!client_id || !authorization_endpoint || !token_endpoint) {
    return (
      <p className="lead">
        This Rollcall takes tokens of <strong>{name}</strong>; the console needs <code>OIDC_CONSOLE_CLIENT_ID</code>.
      </p>
    );
  }
  const open = (): void => {
    const endpoints = { authorizationEndpoint: authorization_endpoint, tokenEndpoint: token_endpoint };
    void enter(issuerTokens({ clientId: client_id, audience, ...endpoints }));
  };
  return (
    <button type="button" className="button primary wide" disabled={busy} onClick={open}>
      Sign in at {new URL(name).host}
    </button>
  );
}
