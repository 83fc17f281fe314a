import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { explainQuery } from '../api/queries';
import type { AgentType, EventType, ExplainedEvent, Explanation } from '../api/types';
import { Moment } from '../parts/moment';
import { Loaded } from '../parts/states';
import { Status } from '../parts/status';
import { DELIVERY_STATUS, EVENT_TYPE } from '../text/words';

/** Shows why somebody was, or was not, told what an agent was at a moment: the API's own steps. */
export function AgentMoment({ type, id, at }: { readonly type: AgentType; readonly id: number; readonly at: string }): ReactNode {
  const explanation = useQuery(explainQuery(type, id, at));
  return (
    <section className="card" aria-label="Explanation">
      <h2>
        At <Moment at={at} />
      </h2>
      <Loaded query={explanation} what="The explanation">
        {(found) => <Steps explanation={found} />}
      </Loaded>
    </section>
  );
}

const STEP: Readonly<Record<Explanation['steps'][number]['step'], string>> = {
  report: 'Reported',
  decision: 'Decided',
  change: 'Changed',
  agent_events: 'Agent events',
  attempts: 'Attempts',
};

function Steps({ explanation }: { readonly explanation: Explanation }): ReactNode {
  const { steps, agent_events: events } = explanation;
  const [sent, others] = [events.filter(({ delivery }) => delivery), events.filter(({ delivery }) => !delivery)];
  return (
    <>
      <ol className="steps">
        {steps.map(({ step, words }) => (
          <li key={step}>
            <strong>{STEP[step]}</strong>
            <span>
              <Words text={words} />
            </span>
          </li>
        ))}
      </ol>
      <Events title="Told" events={sent.filter(({ notified }) => notified)} />
      <Events title="Not told yet, or in vain" events={sent.filter(({ notified }) => !notified)} />
      <Events title="Not told" events={others.filter(({ notified }) => notified !== null)} />
      <Events title="Not known any more" events={others.filter(({ notified }) => notified === null)} />
    </>
  );
}

function Events({ title, events }: { readonly title: string; readonly events: readonly ExplainedEvent[] }): ReactNode {
  if (events.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul className="plain lines">
        {events.map((event) => (
          <EventLine key={event.id} event={event} />
        ))}
      </ul>
    </>
  );
}

function EventLine({ event }: { readonly event: ExplainedEvent }): ReactNode {
  const { id, url, method, event_type, delivery, reason: words, deleted } = event;
  return (
    <li className="explained">
      {delivery && <Status {...DELIVERY_STATUS[delivery.status]} />}
      <span>
        {deleted || url === undefined ? (
          <span className="muted">Agent event {id}, deleted</span>
        ) : (
          <Link to="/events/$id" params={{ id: String(id) }} className="mono">
            {event_type && `${EVENT_TYPE[event_type as EventType]}: `}
            {method} <bdi>{url}</bdi>
          </Link>
        )}
        <span className="muted">
          {' '}
          <Words text={words} />
        </span>
      </span>
      {delivery && (
        <Link to="/deliveries/$id" params={{ id: delivery.id }}>
          Open the delivery
        </Link>
      )}
    </li>
  );
}

const INSTANT = /(\d{4}-\d{2}-\d{2}T[\d:.]+Z)/;

/** A sentence of the API, its instants written in the reader's zone. */
function Words({ text }: { readonly text: string }): ReactNode {
  return text.split(INSTANT).map((part, index) => (index % 2 === 1 ? <Moment key={index} at={part} /> : part));
}
