import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import type { EventHealth } from '../api/types';
import { formatCount } from '../text/numbers';
import { healthOf, scopeOf } from '../text/words';
import { Status } from './status';

/** Shows an agent event in a list. @param isStop whether the tab key stops here */
export function EventRow({ event, isStop }: { readonly event: EventHealth; readonly isStop: boolean }): ReactNode {
  const { id, url, method, waiting, day } = event;
  const { kind, word } = healthOf(event);
  return (
    <li className="event-row">
      <Status kind={kind} word={word} />
      <span className="event-what">
        <Link to="/events/$id" params={{ id: String(id) }} data-row tabIndex={isStop ? 0 : -1}>
          <bdi>{scopeOf(event)}</bdi>
        </Link>
        <span className="mono muted url">
          {method} <bdi>{url}</bdi>
        </span>
      </span>
      <span className="event-figures">
        <Figure name="delivered, 24 h" value={day?.delivered} />
        <Figure name="failed, 24 h" value={day?.failed} isBad={(day?.failed ?? 0) > 0} />
        <Figure name="waiting" value={waiting} />
      </span>
    </li>
  );
}

function Figure({
  name,
  value,
  isBad,
}: {
  readonly name: string;
  readonly value: number | undefined;
  readonly isBad?: boolean;
}): ReactNode {
  return (
    <span className={isBad ? 'mini bad-text' : 'mini'}>
      <span className="figure">{value === undefined ? '–' : formatCount(value)}</span>
      <span className="muted small">{name}</span>
    </span>
  );
}
