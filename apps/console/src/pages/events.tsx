import { useState, type ReactNode } from 'react';
import { getRouteApi } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { eventsQuery, limitQuery } from '../api/queries';
import type { HealthState } from '../api/types';
import { EventForm } from '../parts/event-form';
import { EventRow } from '../parts/event-row';
import { FilterSheet } from '../parts/filter-sheet';
import { useKeys, useRowKeys } from '../parts/keyboard';
import { Page } from '../parts/page';
import { Empty, Loaded } from '../parts/states';
import { TypedInput } from '../parts/typed-input';
import { countOf, formatCount } from '../text/numbers';
import { HEALTH_STATE } from '../text/words';

const route = getRouteApi('/events');
const STATES: readonly HealthState[] = ['active', 'failing', 'suspended'];

/** Shows where notifications go, and whether they are well. */
export function EventsPage(): ReactNode {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const events = useQuery(eventsQuery({ state: search.state, q: search.q }));
  const limit = useQuery(limitQuery());
  const [adding, setAdding] = useState(search.add === '1');
  const rowKeys = useRowKeys();
  const set = (change: Partial<typeof search>): void => {
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  };
  const close = (): void => {
    setAdding(false);
    if (search.add !== undefined) set({ add: undefined });
  };
  useKeys({ n: () => setAdding(true) });
  const isFiltered = search.state !== undefined || search.q !== undefined;
  const add = (
    <button type="button" className="button primary" onClick={() => setAdding(true)}>
      Add an agent event
    </button>
  );
  return (
    <Page title="Agent events" aside={add}>
      <section className="card flush" aria-label="Agent events">
        <div className="filters">
          <TypedInput
            type="search"
            data-search
            className="search"
            aria-label="Search by url or agent"
            placeholder="Search by url or agent"
            value={search.q ?? ''}
            onText={(q) => set({ q: q === '' ? undefined : q })}
          />
          <FilterSheet used={search.state === undefined ? 0 : 1}>
            <select
              aria-label="State"
              value={search.state ?? ''}
              onChange={(event) => set({ state: event.target.value === '' ? undefined : (event.target.value as HealthState) })}
            >
              <option value="">All states</option>
              {STATES.map((state) => (
                <option key={state} value={state}>
                  {HEALTH_STATE[state].word}
                </option>
              ))}
            </select>
          </FilterSheet>
          {limit.data && (
            <span className="muted count">
              {formatCount(limit.data.agent_event_used)} of {countOf(limit.data.agent_event, 'agent event')} used
            </span>
          )}
        </div>
        <Loaded query={events} what="The agent events">
          {(found) =>
            found.length > 0 ? (
              <ul className="plain rows" {...rowKeys}>
                {found.map((event, index) => (
                  <EventRow key={event.id} event={event} isStop={index === 0} />
                ))}
              </ul>
            ) : isFiltered ? (
              <Empty
                action={
                  <button type="button" className="button" onClick={() => set({ state: undefined, q: undefined })}>
                    Clear filters
                  </button>
                }
              >
                No agent event matches.
              </Empty>
            ) : (
              <Empty>No agent events yet. Add one, and the next login is sent to it.</Empty>
            )
          }
        </Loaded>
      </section>
      {adding && <EventForm onClose={close} />}
    </Page>
  );
}
