import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { SORTS } from './board/board-order';
import { Shell } from './parts/shell';
import { NotFound } from './pages/not-found';

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

function id(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}

function moment(value: unknown): string | undefined {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? value : undefined;
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const overview = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: checked((search) => ({ span: oneOf(search['span'], ['1h', '24h', '7d']) })),
  component: lazyRouteComponent(() => import('./pages/overview'), 'OverviewPage'),
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
  component: lazyRouteComponent(() => import('./pages/board'), 'BoardPage'),
});

const agent = createRoute({
  getParentRoute: () => root,
  path: '/agents/$type/$id',
  validateSearch: checked((search) => ({ at: moment(search['at']) })),
  component: lazyRouteComponent(() => import('./pages/agent'), 'AgentPage'),
});

const events = createRoute({
  getParentRoute: () => root,
  path: '/events',
  validateSearch: checked((search) => ({
    state: oneOf(search['state'], ['active', 'failing', 'suspended']),
    q: text(search['q']),
    add: oneOf(search['add'], ['1']),
  })),
  component: lazyRouteComponent(() => import('./pages/events'), 'EventsPage'),
});

const event = createRoute({
  getParentRoute: () => root,
  path: '/events/$id',
  component: lazyRouteComponent(() => import('./pages/event'), 'EventPage'),
});

const deliveries = createRoute({
  getParentRoute: () => root,
  path: '/deliveries',
  validateSearch: checked((search) => ({
    status: text(search['status']),
    event: id(search['event']),
    agent: id(search['agent']),
    since: moment(search['since']),
    until: moment(search['until']),
  })),
  component: lazyRouteComponent(() => import('./pages/deliveries'), 'DeliveriesPage'),
});

const delivery = createRoute({
  getParentRoute: () => root,
  path: '/deliveries/$id',
  component: lazyRouteComponent(() => import('./pages/delivery'), 'DeliveryPage'),
});

const playground = createRoute({
  getParentRoute: () => root,
  path: '/playground',
  component: lazyRouteComponent(() => import('./pages/playground'), 'PlaygroundPage'),
});

const routeTree = root.addChildren([overview, board, agent, events, event, deliveries, delivery, playground]);

export function createConsoleRouter() {
  return createRouter({
    routeTree,
    basepath: '/console',
    defaultPreload: 'intent',
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
