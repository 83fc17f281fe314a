import { useEffect, useState, type ReactNode } from 'react';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { call, ofClient } from '../api/http';
import { deliveriesQuery, receivedQuery } from '../api/queries';
import type { EventHealth } from '../api/types';
import { say, sayFailure } from '../parts/toasts';
import type { Report } from './reports';

const STEPS = [
  'Add an agent event for the receiver',
  'Log an agent in',
  'See it arrive, with a good signature',
  'Have the receiver answer 503, and log the agent out: it is tried again',
  'Have it answer 200 again: it is delivered after all',
] as const;

/** Shows five things to try first; each ticks itself. */
export function Todo({
  report,
  events,
}: {
  readonly report: Report | undefined;
  readonly events: readonly EventHealth[];
}): ReactNode {
  const queryClient = useQueryClient();
  const received = useQuery(receivedQuery());
  const deliveries = useInfiniteQuery({ ...deliveriesQuery({}, 20), refetchInterval: 2000, staleTime: 0 });
  const newest = deliveries.data?.pages[0]?.deliveries ?? [];
  const [done, setDone] = useState<ReadonlySet<number>>(new Set());
  const hasArrived = received.data?.some(({ signed }) => signed) ?? false;
  const reached = [
    events.length > 0,
    hasArrived || (report?.result?.result === 'changed' && report.status === 'available'),
    hasArrived,
    newest.some(({ status }) => status === 'retrying'),
    newest.some(({ status, attempts_count }) => status === 'delivered' && attempts_count > 1),
  ];
  const key = reached.join();
  useEffect(() => {
    const isDone = key.split(',');
    setDone((before) => new Set([...before, ...STEPS.keys()].filter((step) => before.has(step) || isDone[step] === 'true')));
  }, [key]);
  const add = useMutation({
    mutationFn: async () => {
      const { url } = await call<{ url: string }>('GET', '/console/playground/receiver');
      for (const event_type of ['agent-login', 'agent-logout']) {
        await call('POST', ofClient('/agent_events/'), { body: { url: `${url}/playground`, event_type, method: 'POST' } });
      }
    },
    onSuccess: () => {
      say('Two agent events added: logins and logouts of every agent go to the receiver.');
      void queryClient.invalidateQueries();
    },
    onError: sayFailure,
  });
  if (done.size === STEPS.length) return null;
  return (
    <section className="card" aria-label="First steps">
      <h2>First steps</h2>
      <ol className="plain todo">
        {STEPS.map((words, step) => (
          <li key={words} className={done.has(step) ? 'done' : undefined}>
            <span className="tick" aria-hidden="true" />
            <span>
              {words}
              {done.has(step) && <span className="hidden">, done</span>}
            </span>
            {step === 0 && !done.has(0) && (
              <button type="button" className="button small" disabled={add.isPending} onClick={() => add.mutate()}>
                Add it
              </button>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}
