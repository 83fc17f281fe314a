import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { useInfiniteQuery } from '@tanstack/react-query';
import { deliveriesQuery } from '../api/queries';
import type { Delivery, EventHealth } from '../api/types';
import { Status } from '../parts/status';
import { countOf } from '../text/numbers';
import { changeWord, DELIVERY_STATUS, whyOf } from '../text/words';
import { resultWords, type Report } from './reports';

/** Clocks of browser and server may differ by this much, in milliseconds. */
const CLOCKS_MS = 5000;
const SHOWN = 6;

type Light = 'off' | 'on' | 'stop' | 'wait';

/** Shows the path from the report to the receiver, lighting up as far as the report has come. */
export function Path({
  report,
  events,
}: {
  readonly report: Report | undefined;
  readonly events: readonly EventHealth[];
}): ReactNode {
  const isChange = report?.result?.result === 'changed';
  const since = report ? new Date(Date.parse(report.at) - CLOCKS_MS).toISOString() : '';
  const found = useInfiniteQuery({
    ...deliveriesQuery({ agent_id: report?.agent.id, since }),
    enabled: isChange,
    refetchInterval: 1000,
    staleTime: 0,
  });
  const sequence = report?.result && 'sequence' in report.result ? report.result.sequence : undefined;
  const deliveries = isChange
    ? (found.data?.pages[0]?.deliveries ?? []).filter(({ change }) => change?.sequence === sequence)
    : [];
  const delivered = deliveries.filter(({ status }) => status === 'delivered').length;
  const steps: readonly (readonly [string, Light, ReactNode])[] = [
    [
      'Reported',
      report ? 'on' : 'off',
      report ? `${changeWord(report.status)} of ${report.name}.` : 'Nothing yet: report something on the left.',
    ],
    ['Decided', report ? (isChange ? 'on' : 'stop') : 'off', report?.result ? resultWords(report.result) : ''],
    [
      'Agent events',
      !isChange ? 'off' : deliveries.length > 0 ? 'on' : 'wait',
      isChange &&
        (deliveries.length > 0
          ? `${countOf(deliveries.length, 'agent event')} matched.`
          : events.length === 0
            ? 'There is no agent event yet: nobody is told.'
            : 'None has matched so far.'),
    ],
    [
      'Delivered',
      deliveries.length === 0 ? 'off' : delivered === deliveries.length ? 'on' : 'wait',
      deliveries.length > 0 && <Arrivals deliveries={deliveries} />,
    ],
  ];
  return (
    <section className="card path" aria-label="The path" aria-live="polite">
      <h2>The path</h2>
      <ol className="plain">
        {steps.map(([name, light, words]) => (
          <li key={name} className={`path-step ${light}`}>
            <strong>{name}</strong>
            {words && <div className="path-words">{words}</div>}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Arrivals({ deliveries }: { readonly deliveries: readonly Delivery[] }): ReactNode {
  return (
    <ul className="plain lines">
      {deliveries.slice(0, SHOWN).map((delivery) => (
        <li key={delivery.id}>
          <Status {...DELIVERY_STATUS[delivery.status]} />{' '}
          <Link to="/deliveries/$id" params={{ id: delivery.id }}>
            Open
          </Link>
          {delivery.status !== 'delivered' && <div className="muted small">{whyOf(delivery, new Date())}</div>}
        </li>
      ))}
    </ul>
  );
}
