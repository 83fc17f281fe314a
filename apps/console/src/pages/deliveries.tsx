import { useState, type ReactNode } from 'react';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { deliveriesQuery, type DeliveryFilter } from '../api/queries';
import { useDeliveryHints } from '../deliveries-stream';
import { DeliveryRows } from '../parts/delivery-rows';
import { FilterSheet } from '../parts/filter-sheet';
import { Page } from '../parts/page';
import { Empty, Loaded } from '../parts/states';
import { TimeFilter } from '../parts/time-filter';
import { TypedInput } from '../parts/typed-input';
import { countOf, digitsOf } from '../text/numbers';

const route = getRouteApi('/deliveries');

const STATUSES: readonly (readonly [string, string])[] = [
  ['', 'All statuses'],
  ['delivered', 'Delivered'],
  ['waiting,sending,retrying,suspended', 'On their way'],
  ['retrying', 'Retrying'],
  ['waiting', 'Waiting'],
  ['suspended', 'Suspended'],
  ['failed', 'Failed'],
  ['dropped', 'Dropped'],
];

/** Shows what was sent, newest first. */
export function DeliveriesPage(): ReactNode {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const queryClient = useQueryClient();
  const { status, event, agent, span, since, until } = search;
  const filter: DeliveryFilter = { status, agent_event_id: event, agent_id: agent, span, since, until };
  const [clears, setClears] = useState(0);
  const cleared = (): void => setClears((before) => before + 1);
  const query = deliveriesQuery(filter);
  const deliveries = useInfiniteQuery(query);
  const { news, missed, seen } = useDeliveryHints(filter);
  const set = (change: Partial<typeof search>): void => {
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  };
  const readAnew = (): void => {
    seen();
    void queryClient.resetQueries({ queryKey: query.queryKey });
  };
  const used = Object.values(search).filter((value) => value !== undefined).length;
  const isFiltered = used > 0;
  const isKnown = STATUSES.some(([value]) => value === (status ?? ''));
  return (
    <Page title="Deliveries">
      <section className="card flush" aria-label="Deliveries">
        <div className="filters">
          <FilterSheet used={used}>
            <select
              aria-label="Status"
              value={status ?? ''}
              onChange={(changed) => set({ status: orNone(changed.target.value) })}
            >
              {STATUSES.map(([value, word]) => (
                <option key={value} value={value}>
                  {word}
                </option>
              ))}
              {!isKnown && <option value={status}>{status}</option>}
            </select>
            <IdField label="Agent event" value={event} onChange={(id) => set({ event: id })} />
            <IdField label="Agent" value={agent} onChange={(id) => set({ agent: id })} />
            <TimeFilter key={clears} time={search} onChange={set} />
            {isFiltered && (
              <Link to="/deliveries" className="button quiet" onClick={cleared}>
                Clear filters
              </Link>
            )}
          </FilterSheet>
        </div>
        <div aria-live="polite">
          {(news > 0 || missed) && (
            <button type="button" className="news" onClick={readAnew}>
              {missed ? 'The line was down: show what is new' : countOf(news, 'new delivery', 'new deliveries')}
            </button>
          )}
        </div>
        <Loaded query={deliveries} what="The deliveries">
          {({ pages }) => {
            const shown = pages.flatMap((page) => page.deliveries);
            if (shown.length > 0) return <DeliveryRows deliveries={shown} />;
            return isFiltered ? (
              <Empty
                action={
                  <Link to="/deliveries" className="button" onClick={cleared}>
                    Clear filters
                  </Link>
                }
              >
                No delivery matches.
              </Empty>
            ) : (
              <Empty>No deliveries yet. As soon as an agent logs in or out, each matching agent event gets one.</Empty>
            );
          }}
        </Loaded>
        {deliveries.hasNextPage && (
          <p className="more">
            <button
              type="button"
              className="button"
              disabled={deliveries.isFetchingNextPage}
              onClick={() => void deliveries.fetchNextPage()}
            >
              {deliveries.isFetchingNextPage ? 'Reading …' : 'Older ones'}
            </button>
          </p>
        )}
      </section>
    </Page>
  );
}

function orNone(value: string): string | undefined {
  return value === '' ? undefined : value;
}

function IdField({
  label,
  value,
  onChange,
}: {
  readonly label: string;
  readonly value: number | undefined;
  readonly onChange: (id: number | undefined) => void;
}): ReactNode {
  return (
    <TypedInput
      className="id-field"
      aria-label={`${label}, id`}
      placeholder={`${label} id`}
      inputMode="numeric"
      value={value === undefined ? '' : String(value)}
      maxLength={10}
      clean={digitsOf}
      onText={(text) => onChange(text === '' ? undefined : Number(text))}
    />
  );
}
