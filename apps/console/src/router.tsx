import { createRootRoute, createRoute, createRouter } from '@tanstack/react-router';
import type { ComponentType } from 'react';
import { SORTS } from './board/board-order';
import { lazily, type LazyComponent } from './parts/lazily';
import { LazyChart } from './parts/lazy-chart';
import { Page } from './parts/page';
import { Shell } from './parts/shell';
import { Skeleton } from './parts/states';
import { Broken } from './pages/broken';
import { NotFound } from './pages/not-found';
import { RECENT_SPANS } from './text/time-span';

/** The pages and their addresses. Everything that filters is in the address, checked: what is wrong in it counts as not there. */

type Search = Readonly<Record<string, unknown>>;

/** What was checked, none of which a link has to name. */
type Checked<T> = { [Key in keyof T]?: T[Key] | undefined };

function checked<T>(read: (search: Search) => T): (search: Search) => Checked<T> {
  return read;
}

function oneOf<const T extends string>(value: unknown, allowed: readonly T[]): T | undefined {
  return allowed.find((one) => one === value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** From an address as text, from a link of the console as a number. */
function id(value: unknown): number | undefined {
  return /^\d{1,10}$/.test(String(value)) ? Number(value) : undefined;
}

function moment(value: unknown): string | undefined {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? value : undefined;
}

const pages: LazyComponent<object>[] = [];

/** A page whose code is fetched when it is gone to, or with the rest. */
function page(load: () => Promise<ComponentType>): LazyComponent<object> {
  const one = lazily('The page', load, <Skeleton />, (failure) => <Page title="Rollcall">{failure}</Page>);
  pages.push(one);
  return one;
}

/** Fetches what is not there yet of the console, so that it works on when the line is cut or Rollcall is updated. */
export function fetchTheRest(): void {
  for (const one of [...pages, LazyChart]) void one.preload();
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const overview = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: checked((search) => ({ span: oneOf(search['span'], ['1h', '24h', '7d']) })),
  component: page(() => import('./pages/overview').then(({ OverviewPage }) => OverviewPage)),
});

const board = createRoute({
  getParentRoute: () => root,
  path: '/board',
  validateSearch: checked((search) => ({
    status: oneOf(search['status'], ['available', 'logged_out']),
    type: oneOf(search['type'], ['local', 'remote']),
    q: text(search['q']),
    sort: oneOf(search['sort'], SORTS),
    hold: oneOf(search['hold'], ['1']),
    view: oneOf(search['view'], ['list', 'wall']),
    span: oneOf(search['span'], ['1h', '4h', '24h']),
  })),
  component: page(() => import('./pages/board').then(({ BoardPage }) => BoardPage)),
});

const agent = createRoute({
  getParentRoute: () => root,
  path: '/agents/$type/$id',
  validateSearch: checked((search) => ({ at: moment(search['at']) })),
  component: page(() => import('./pages/agent').then(({ AgentPage }) => AgentPage)),
});

const events = createRoute({
  getParentRoute: () => root,
  path: '/events',
  validateSearch: checked((search) => ({
    state: oneOf(search['state'], ['active', 'failing', 'suspended']),
    q: text(search['q']),
    add: oneOf(search['add'], ['1']),
  })),
  component: page(() => import('./pages/events').then(({ EventsPage }) => EventsPage)),
});

const event = createRoute({
  getParentRoute: () => root,
  path: '/events/$id',
  component: page(() => import('./pages/event').then(({ EventPage }) => EventPage)),
});

const deliveries = createRoute({
  getParentRoute: () => root,
  path: '/deliveries',
  validateSearch: checked((search) => ({
    status: text(search['status']),
    event: id(search['event']),
    agent: id(search['agent']),
    span: oneOf(search['span'], RECENT_SPANS),
    since: moment(search['since']),
    until: moment(search['until']),
  })),
  component: page(() => import('./pages/deliveries').then(({ DeliveriesPage }) => DeliveriesPage)),
});

const delivery = createRoute({
  getParentRoute: () => root,
  path: '/deliveries/$id',
  component: page(() => import('./pages/delivery').then(({ DeliveryPage }) => DeliveryPage)),
});

const playground = createRoute({
  getParentRoute: () => root,
  path: '/playground',
  component: page(() => import('./pages/playground').then(({ PlaygroundPage }) => PlaygroundPage)),
});

const routeTree = root.addChildren([overview, board, agent, events, event, deliveries, delivery, playground]);

export function createConsoleRouter() {
  return createRouter({
    routeTree,
    basepath: '/console',
    defaultPreload: 'intent',
    defaultErrorComponent: Broken,
    // Plain text, where the router's own way would write JSON into the address.
    parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
    stringifySearch: (search) => {
      const entries = Object.entries(search).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]]));
      const query = new URLSearchParams(entries).toString();
      return query === '' ? '' : `?${query}`;
    },
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>;
  }
}
