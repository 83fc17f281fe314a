import { useState, type ReactNode } from 'react';
import { Link, Outlet, useNavigate, useRouter } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { configQuery } from '../api/queries';
import { mayManageAgents, session, signOut } from '../session/session';
import { THEMES, theme } from '../session/theme';
import { useStore } from '../store';
import { ClientDialog } from './client-dialog';
import { Icon, Logo, type IconName } from './icons';
import { keysEnabled, focusFirstRow, useKeys } from './keyboard';
import { KeysDialog } from './keys-dialog';
import { SecretDialog } from './secret-dialog';

interface Place {
  readonly to: '/' | '/board' | '/events' | '/deliveries' | '/playground';
  readonly word: string;
  readonly icon: IconName;
}

const PLACES: readonly Place[] = [
  { to: '/', word: 'Overview', icon: 'overview' },
  { to: '/board', word: 'Board', icon: 'board' },
  { to: '/events', word: 'Agent events', icon: 'events' },
  { to: '/deliveries', word: 'Deliveries', icon: 'deliveries' },
];
const PLAYGROUND: Place = { to: '/playground', word: 'Playground', icon: 'playground' };

type Opened = 'client' | 'secret' | 'keys' | undefined;

/** Shows what is around every page: the way to the others and who is signed in; listens for the keys that work everywhere. */
export function Shell(): ReactNode {
  const config = useQuery(configQuery);
  const navigate = useNavigate();
  const router = useRouter();
  const [opened, setOpened] = useState<Opened>();
  const places = config.data?.playground ? [...PLACES, PLAYGROUND] : PLACES;

  useKeys({
    'g o': () => void navigate({ to: '/' }),
    'g b': () => void navigate({ to: '/board' }),
    'g e': () => void navigate({ to: '/events' }),
    'g d': () => void navigate({ to: '/deliveries' }),
    ...(config.data?.playground && { 'g p': () => void navigate({ to: '/playground' }) }),
    '/': () => document.querySelector<HTMLElement>('[data-search]')?.focus(),
    j: focusFirstRow,
    k: focusFirstRow,
    '?': () => setOpened('keys'),
    Escape: () => {
      if (/\/console\/(events|deliveries|agents)\/./.test(window.location.pathname)) router.history.back();
    },
  });

  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <Link to="/" className="brand" aria-label="Rollcall, overview">
          <Logo />
          <span>Rollcall</span>
        </Link>
        <nav className="places" aria-label="Pages">
          {places.map(({ to, word, icon }) => (
            <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }} className="place">
              <Icon name={icon} />
              <span>{word}</span>
            </Link>
          ))}
        </nav>
        <Account open={setOpened} />
      </header>
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      {opened === 'client' && <ClientDialog onClose={() => setOpened(undefined)} />}
      {opened === 'secret' && <SecretDialog onClose={() => setOpened(undefined)} />}
      {opened === 'keys' && <KeysDialog onClose={() => setOpened(undefined)} />}
    </>
  );
}

function Account({ open }: { readonly open: (what: Opened) => void }): ReactNode {
  const state = useStore(session);
  const chosen = useStore(theme);
  const keys = useStore(keysEnabled);
  if (state.kind === 'out') return null;
  const choose = (what: Opened) => () => {
    document.getElementById('account')?.hidePopover();
    open(what);
  };
  return (
    <div className="account">
      <button type="button" className="button quiet" popoverTarget="account" aria-haspopup="true">
        <span className="who">
          {state.login}
          <span className="muted"> · client {state.client} ▾</span>
        </span>
        <span className="who-short">
          <Icon name="menu" />
          <span className="hidden">Account and settings</span>
        </span>
      </button>
      <div id="account" popover="auto" className="menu">
        <p className="menu-head">
          <strong>{state.login}</strong>
          <br />
          client {state.client}, access {state.access}
        </p>
        {state.access === 'platform' && (
          <button type="button" onClick={choose('client')}>
            Switch client …
          </button>
        )}
        {mayManageAgents(state.access) && (
          <button type="button" onClick={choose('secret')}>
            Signing secret …
          </button>
        )}
        <a href="/api/docs" target="_blank" rel="noreferrer">
          API browser
        </a>
        <button type="button" onClick={choose('keys')}>
          Keyboard …
        </button>
        <fieldset className="themes">
          <legend>Colours</legend>
          {THEMES.map((one) => (
            <label key={one}>
              <input type="radio" name="theme" checked={chosen === one} onChange={() => theme.set(one)} />
              {one === 'system' ? 'System' : one === 'light' ? 'Light' : 'Dark'}
            </label>
          ))}
        </fieldset>
        <label className="check">
          <input type="checkbox" checked={keys} onChange={(event) => keysEnabled.set(event.target.checked)} />
          Single-key shortcuts
        </label>
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      </div>
    </div>
  );
}
