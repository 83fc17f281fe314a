import { useState, type ReactNode } from 'react';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { deliverySeriesQuery, eventsQuery, noticesQuery, originsQuery } from '../api/queries';
import type { DeliverySeries, EventHealth, Notice } from '../api/types';
import { EventRow } from '../parts/event-row';
import { useRowKeys } from '../parts/keyboard';
import { LazyChart } from '../parts/lazy-chart';
import { Moment } from '../parts/moment';
import { Page } from '../parts/page';
import { SeriesTable, TableToggle } from '../parts/series-table';
import { Empty, Loaded, Skeleton } from '../parts/states';
import { Status } from '../parts/status';
import { countOf, formatCount } from '../text/numbers';
import { formatLatency } from '../text/time';
import { arrivalSentence, noticeOf, noticeUnsent } from '../text/words';

const route = getRouteApi('/');

const SPANS = { '1h': { hours: 1, step: 60 }, '24h': { hours: 24, step: 900 }, '7d': { hours: 168, step: 3600 } } as const;
type Span = keyof typeof SPANS;

/** Shows whether everything arrives; if not, which receiver, since when, and what to do. */
export function OverviewPage(): ReactNode {
  const events = useQuery(eventsQuery());
  const all = events.data ?? [];
  const troubled = all.filter(({ state }) => state !== 'active');
  return (
    <Page title="Overview">
      <Loaded query={events} what="The agent events" skeleton={<Skeleton rows={1} />}>
        {() => <Arrival events={all} />}
      </Loaded>
      {troubled.length > 0 && <Troubled events={troubled} />}
      <Flow />
      <div className="columns">
        <Waiting events={all} />
        <Origins />
      </div>
      <Notices />
    </Page>
  );
}

function Arrival({ events }: { readonly events: readonly EventHealth[] }): ReactNode {
  const failing = events.filter(({ state }) => state === 'failing').length;
  const paused = events.filter(({ state, reason }) => state === 'suspended' && reason === 'paused').length;
  const suspended = events.filter(({ state }) => state === 'suspended').length - paused;
  const kind = suspended > 0 ? 'bad' : failing + paused > 0 ? 'warn' : events.length === 0 ? 'off' : 'ok';
  return (
    <p className="headline">
      <span className={`shape ${kind}`} aria-hidden="true" />
      <span>
        {arrivalSentence(events.length, failing, suspended, paused)}
        {events.length === 0 && (
          <>
            {' '}
            <Link to="/events" search={{ add: '1' }}>
              Add one
            </Link>
            , and the next login is sent to it.
          </>
        )}
      </span>
    </p>
  );
}

function Troubled({ events }: { readonly events: readonly EventHealth[] }): ReactNode {
  return (
    <section className="card flush" aria-label="Agent events that do not arrive">
      <ul className="plain rows" {...useRowKeys()}>
        {events.slice(0, 5).map((event, index) => (
          <EventRow key={event.id} event={event} isStop={index === 0} />
        ))}
      </ul>
      {events.length > 5 && (
        <p className="more">
          <Link to="/events">All agent events</Link>
        </p>
      )}
    </section>
  );
}

/** Deliveries over time by outcome, and how long attempts took. */
function Flow(): ReactNode {
  const span: Span = route.useSearch().span ?? '1h';
  const navigate = route.useNavigate();
  const [asTable, setAsTable] = useState(false);
  const { hours, step } = SPANS[span];
  const series = useQuery(deliverySeriesQuery(hours, step));
  return (
    <section className="card chart-card" aria-label="Deliveries over time">
      <div className="card-head">
        <h2>Attempts, each {step === 60 ? 'minute' : step === 900 ? 'quarter of an hour' : 'hour'}</h2>
        <div className="segments" role="group" aria-label="Time span">
          {(Object.keys(SPANS) as Span[]).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === span}
              onClick={() => void navigate({ search: { span: one }, replace: true })}
            >
              {one.replace(/(\d+)/, '$1 ')}
            </button>
          ))}
        </div>
        <TableToggle asTable={asTable} onToggle={setAsTable} />
      </div>
      <Loaded query={series} what="The chart" skeleton={<Skeleton rows={2} height={96} />}>
        {(data) => <FlowCharts data={data} asTable={asTable} />}
      </Loaded>
    </section>
  );
}

function FlowCharts({ data, asTable }: { readonly data: DeliverySeries; readonly asTable: boolean }): ReactNode {
  const from = Date.parse(data.from) / 1000;
  const times = data.delivered.map((_, index) => from + index * data.step);
  // Nothing is said of latency where nothing was sent.
  const quiet = data.delivered.every((count, index) => count + (data.retry[index] ?? 0) + (data.failed[index] ?? 0) === 0);
  if (asTable) {
    return (
      <SeriesTable
        times={times}
        columns={[
          { name: 'Delivered', values: data.delivered },
          { name: 'To be tried again', values: data.retry },
          { name: 'Failed', values: data.failed },
          { name: 'p50, ms', values: data.p50_ms },
          { name: 'p95, ms', values: data.p95_ms },
        ]}
      />
    );
  }
  if (quiet) return <Empty>Nothing was sent in this time.</Empty>;
  const stack = (...parts: readonly (readonly number[])[]): number[] =>
    times.map((_, index) => parts.reduce((sum, part) => sum + (part[index] ?? 0), 0));
  return (
    <>
      <LazyChart
        label="Attempts by outcome"
        times={times}
        lines={[
          { name: 'Failed', values: stack(data.delivered, data.retry, data.failed), colour: 'bad', bars: true },
          { name: 'To be tried again', values: stack(data.delivered, data.retry), colour: 'warn', bars: true },
          { name: 'Delivered', values: data.delivered, colour: 'ok', bars: true },
        ]}
      />
      <ul className="legend plain">
        <li>
          <Status kind="ok" word={`Delivered ${formatCount(sum(data.delivered))}`} />
        </li>
        <li>
          <Status kind="warn" word={`To be tried again ${formatCount(sum(data.retry))}`} />
        </li>
        <li>
          <Status kind="bad" word={`Failed ${formatCount(sum(data.failed))}`} />
        </li>
        <li className="muted">
          Latency now: p50 {latencyOf(data.p50_ms)}, p95 {latencyOf(data.p95_ms)}
        </li>
      </ul>
    </>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The newest figure that there is. */
function latencyOf(values: readonly (number | null)[]): string {
  const last = values.findLast((value) => value !== null);
  return typeof last === 'number' ? formatLatency(last) : '–';
}

function Waiting({ events }: { readonly events: readonly EventHealth[] }): ReactNode {
  const waiting = events.reduce((total, event) => total + event.waiting, 0);
  const oldest = events
    .map(({ oldest_waiting }) => oldest_waiting)
    .filter((at) => at !== null)
    .sort()[0];
  return (
    <section className="card" aria-label="Waiting">
      <h2>Waiting now</h2>
      <p className="big figure">{formatCount(waiting)}</p>
      <p className="muted">
        {oldest === undefined ? (
          'Nothing waits.'
        ) : (
          <>
            The oldest since <Moment at={oldest} />.{' '}
            <Link to="/deliveries" search={{ status: 'waiting,retrying,suspended' }}>
              Show them
            </Link>
          </>
        )}
      </p>
    </section>
  );
}

function Origins(): ReactNode {
  const origins = useQuery(originsQuery());
  return (
    <section className="card" aria-label="Receivers">
      <h2>Receivers not sent to for now</h2>
      <Loaded query={origins} what="The receivers" skeleton={<Skeleton rows={1} />}>
        {(all) => {
          const shut = all.filter(({ state }) => state !== 'closed');
          if (shut.length === 0) return <p className="muted">None: every receiver is sent to.</p>;
          return (
            <ul className="plain lines">
              {shut.map(({ origin, since, last_error, next_probe_at, waiting }) => (
                <li key={origin}>
                  <span className="mono">{origin}</span>
                  <br />
                  <span className="muted">
                    {since && (
                      <>
                        Since <Moment at={since} />
                      </>
                    )}
                    {last_error && `: ${last_error}`}. {countOf(waiting, 'waits', 'wait')}.
                    {next_probe_at && (
                      <>
                        {' '}
                        Tried again at <Moment at={next_probe_at} />.
                      </>
                    )}
                  </span>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </section>
  );
}

function Notices(): ReactNode {
  const notices = useQuery(noticesQuery());
  if (notices.data?.length === 0) return null;
  return (
    <section className="card" aria-label="Notices">
      <h2>Notices</h2>
      <Loaded query={notices} what="The notices" skeleton={<Skeleton rows={2} />}>
        {(all) => (
          <ul className="plain lines">
            {all.map((notice) => (
              <NoticeLine key={notice.id} notice={notice} />
            ))}
          </ul>
        )}
      </Loaded>
    </section>
  );
}

function NoticeLine({ notice }: { readonly notice: Notice }): ReactNode {
  const { at, words, agent_event_id, deliveries } = notice;
  const unsent = noticeUnsent(deliveries);
  return (
    <li>
      <Status {...noticeOf(notice)} />{' '}
      <span className="muted">
        <Moment at={at} />
      </span>
      <br />
      {words}{' '}
      {agent_event_id !== null && (
        <Link to="/events/$id" params={{ id: String(agent_event_id) }}>
          Open the agent event
        </Link>
      )}
      {unsent && (
        <>
          <br />
          <span className="muted">{unsent}</span>
        </>
      )}
    </li>
  );
}
