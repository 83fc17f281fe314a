import { useState, type ReactNode } from 'react';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { call } from '../api/http';
import { eventPath } from '../api/paths';
import { deliveriesQuery, eventQuery } from '../api/queries';
import type { EventHealth, TestResult } from '../api/types';
import { DeliveryRows } from '../parts/delivery-rows';
import { Confirm } from '../parts/dialog';
import { EventForm } from '../parts/event-form';
import { Gone, isGone } from '../parts/gone';
import { Page } from '../parts/page';
import { ReplayDialog } from '../parts/replay-dialog';
import { Replays } from '../parts/replays';
import { Empty, Loaded } from '../parts/states';
import { Pill } from '../parts/status';
import { say, sayFailure } from '../parts/toasts';
import { formatCount } from '../text/numbers';
import { formatLatency } from '../text/time';
import { EVENT_TYPE, healthOf, healthSentence, scopeOf } from '../text/words';

const route = getRouteApi('/events/$id');
const SHOWN_DELIVERIES = 10;

/** Shows one agent event: how it is, and what can be done about it. */
export function EventPage(): ReactNode {
  const id = Number(route.useParams().id);
  const event = useQuery(eventQuery(id));
  if (isGone(event.error)) {
    return (
      <Gone title={`Agent event ${id}`}>
        There is no such agent event, or it was deleted. Its{' '}
        <Link to="/deliveries" search={{ event: id }}>
          deliveries
        </Link>{' '}
        are kept until the log no longer reaches back to them.
      </Gone>
    );
  }
  if (!event.data) {
    return (
      <Page title="Agent event">
        <Loaded query={event} what="The agent event">
          {() => null}
        </Loaded>
      </Page>
    );
  }
  return <EventDetail event={event.data} error={event.error} />;
}

type Opened = 'edit' | 'delete' | 'replay' | undefined;

function EventDetail({ event, error }: { readonly event: EventHealth; readonly error: Error | null }): ReactNode {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const [opened, setOpened] = useState<Opened>();
  const path = eventPath(event.agent, event.id);
  const refresh = (): void => void queryClient.invalidateQueries();
  const test = useMutation({ mutationFn: () => call<TestResult>('POST', `${path}/test`), onError: sayFailure });
  const steer = useMutation({
    mutationFn: (what: 'pause' | 'resume') => call('POST', `${path}/${what}`),
    onSuccess: (_answer, what) => {
      say(what === 'pause' ? 'Paused: what happens now waits.' : 'Resumed: what waited is sent, in order.');
      refresh();
    },
    onError: sayFailure,
  });
  const remove = useMutation({
    mutationFn: () => call('DELETE', path),
    onSuccess: () => {
      say('Agent event deleted.');
      refresh();
      void navigate({ to: '/events' });
    },
    onError: sayFailure,
  });
  const { kind, word } = healthOf(event);
  const isSuspended = event.state === 'suspended';
  return (
    <Page
      title={scopeOf(event)}
      beside={<Pill kind={kind} word={word} />}
      aside={
        <>
          {isSuspended && (
            <button type="button" className="button primary" disabled={steer.isPending} onClick={() => steer.mutate('resume')}>
              Resume
            </button>
          )}
          <button
            type="button"
            className={isSuspended ? 'button' : 'button primary'}
            disabled={test.isPending}
            onClick={() => test.mutate()}
          >
            {test.isPending ? 'Sending …' : 'Send test'}
          </button>
          <button type="button" className="button" onClick={() => setOpened('replay')}>
            Replay …
          </button>
        </>
      }
    >
      <p className="lead">{healthSentence(event, new Date())}</p>
      {error && <p className="problem">{error.message}</p>}
      {test.data && <TestAnswer result={test.data} />}
      <section className="card" aria-label="Facts">
        <dl className="facts">
          <div>
            <dt>To</dt>
            <dd className="mono">
              {event.method} <bdi>{event.url}</bdi>
            </dd>
          </div>
          <div>
            <dt>Sent at</dt>
            <dd>{EVENT_TYPE[event.event_type]}</dd>
          </div>
          <div>
            <dt>Of</dt>
            <dd>
              {event.agent ? (
                <Link to="/agents/$type/$id" params={{ type: event.agent.agent_type, id: String(event.agent.id) }}>
                  <bdi>{scopeOf(event).split(' of ')[1]}</bdi>
                </Link>
              ) : event.agent_type ? (
                `every ${event.agent_type} agent`
              ) : (
                'every agent'
              )}
            </dd>
          </div>
          <div>
            <dt>Last 24 h</dt>
            <dd className="figure">
              {event.day ? `${formatCount(event.day.delivered)} delivered, ${formatCount(event.day.failed)} failed` : '–'}
            </dd>
          </div>
          <div>
            <dt>Id</dt>
            <dd className="mono">{event.id}</dd>
          </div>
        </dl>
        <div className="actions">
          {!isSuspended && (
            <button type="button" className="button" disabled={steer.isPending} onClick={() => steer.mutate('pause')}>
              Pause
            </button>
          )}
          <button type="button" className="button" onClick={() => setOpened('edit')}>
            Change …
          </button>
          <button type="button" className="button danger-text" onClick={() => setOpened('delete')}>
            Delete …
          </button>
        </div>
      </section>
      <Replays owner={event.agent} id={event.id} />
      <LastDeliveries id={event.id} />
      {opened === 'edit' && <EventForm event={event} onClose={() => setOpened(undefined)} />}
      {opened === 'replay' && <ReplayDialog event={event} onClose={() => setOpened(undefined)} />}
      {opened === 'delete' && (
        <Confirm
          title="Delete this agent event?"
          action="Delete"
          busy={remove.isPending}
          onConfirm={() => remove.mutate()}
          onClose={() => setOpened(undefined)}
        >
          <p>
            {event.waiting > 0
              ? `${formatCount(event.waiting)} waiting notification${event.waiting === 1 ? ' is' : 's are'} dropped with it.`
              : 'Nothing waits for it.'}{' '}
            This cannot be taken back.
          </p>
        </Confirm>
      )}
    </Page>
  );
}

function TestAnswer({ result }: { readonly result: TestResult }): ReactNode {
  const isGood = result.status !== null && result.status >= 200 && result.status < 300;
  return (
    <section className="card" aria-label="Test" role="status">
      <h2>
        <Pill kind={isGood ? 'ok' : 'bad'} word={isGood ? 'The test arrived' : 'The test did not arrive'} />
      </h2>
      <p>
        {result.status !== null ? `HTTP ${result.status}` : (result.error ?? 'No answer')}, after{' '}
        {formatLatency(result.latency_ms)}.
      </p>
      {result.body !== null && result.body !== '' && <pre className="answer">{result.body}</pre>}
    </section>
  );
}

function LastDeliveries({ id }: { readonly id: number }): ReactNode {
  const deliveries = useInfiniteQuery({ ...deliveriesQuery({ agent_event_id: id }, SHOWN_DELIVERIES), refetchInterval: 3000 });
  return (
    <section className="card flush" aria-label="Deliveries">
      <div className="card-head padded">
        <h2>Deliveries</h2>
        <Link to="/deliveries" search={{ event: id }}>
          All of them
        </Link>
      </div>
      <Loaded query={deliveries} what="The deliveries">
        {({ pages }) => {
          const shown = pages[0]?.deliveries ?? [];
          return shown.length === 0 ? <Empty>Nothing has been sent yet.</Empty> : <DeliveryRows deliveries={shown} />;
        }}
      </Loaded>
    </section>
  );
}
