import type { ReactNode } from 'react';
import { useNow } from '../clock';
import { formatDuration, formatMoment } from '../text/time';

/** Shows a moment in the reader's zone; the exact one on pointing at it. */
export function Moment({
  at,
  precision = 'second',
}: {
  readonly at: string;
  readonly precision?: 'second' | 'minute';
}): ReactNode {
  return (
    <time dateTime={at} title={at}>
      {formatMoment(new Date(at), new Date(), precision)}
    </time>
  );
}

/** Shows how long ago something was; goes on counting while `running`. @param since milliseconds since the epoch */
export function Elapsed({
  since,
  running = true,
}: {
  readonly since: number | undefined;
  readonly running?: boolean;
}): ReactNode {
  const now = useNow(running);
  if (since === undefined) return <span className="muted">–</span>;
  return <span className="figure">{formatDuration(now - since)}</span>;
}
