import { memo, type ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import type { Delivery } from '../api/types';
import { formatLatency } from '../text/time';
import { DELIVERY_STATUS, deliveryTitle, outcomeOf } from '../text/words';
import { useRowKeys } from './keyboard';
import { Moment } from './moment';
import { Status } from './status';

/** Shows deliveries, newest first. */
export function DeliveryRows({ deliveries }: { readonly deliveries: readonly Delivery[] }): ReactNode {
  return (
    <ul className="plain rows" {...useRowKeys()}>
      {deliveries.map((delivery, index) => (
        <DeliveryRow key={delivery.id} delivery={delivery} isStop={index === 0} />
      ))}
    </ul>
  );
}

const DeliveryRow = memo(function DeliveryRow({
  delivery,
  isStop,
}: {
  readonly delivery: Delivery;
  readonly isStop: boolean;
}): ReactNode {
  const { id, status, agent_event: event, change, last_attempt: last, attempts_count: attempts, resending } = delivery;
  const { kind, word } = DELIVERY_STATUS[status];
  return (
    <li className="delivery-row">
      <Status kind={kind} word={word} />
      <span className="delivery-what">
        <Link to="/deliveries/$id" params={{ id }} data-row tabIndex={isStop ? 0 : -1} preload={false}>
          <bdi>{deliveryTitle(delivery)}</bdi>
        </Link>
        <span className="mono muted url">{event.url === null ? 'agent event deleted' : <bdi>{event.url}</bdi>}</span>
      </span>
      <span className="delivery-outcome muted">
        {resending && 'sent again · '}
        {last ? outcomeOf(last) : '–'}
      </span>
      <span className="right figure muted delivery-latency">{last ? formatLatency(last.latency_ms) : ''}</span>
      <span className="right figure muted delivery-attempts">{attempts > 1 ? `${attempts} attempts` : ''}</span>
      <span className="right muted delivery-when">{change && <Moment at={change.changed_at} />}</span>
    </li>
  );
});
