import type { ReactNode } from 'react';
import type { DeliveryDetails } from '../api/types';
import { formatMoment } from '../text/time';

const HEIGHT = 28;
const WIDTH = 1000;
/** Of the ends, in the drawing's own units. */
const MARGIN = 12;
const KIND = { delivered: 'ok', retry: 'warn', failed: 'bad', dropped: 'off' } as const;

/** Shows a delivery's life on a line: from the change to the end of its window, its attempts, and the next one. */
export function AttemptStrip({ delivery }: { readonly delivery: DeliveryDetails }): ReactNode {
  const { change, attempts, next_attempt_at: next, expires_at: end } = delivery;
  // What arrived at once has no course to show.
  if (!change || attempts.length + (next ? 1 : 0) < 2) return null;
  const from = Date.parse(change.changed_at);
  const last = Math.max(...attempts.map(({ at }) => Date.parse(at)), next ? Date.parse(next) : 0);
  const to = end ? Date.parse(end) : last;
  if (to <= from) return null;
  // The schedule's steps grow, and so does the line: else the first attempts would be one dot.
  const span = Math.log1p((to - from) / 1000);
  const place = (at: number): number =>
    MARGIN + ((WIDTH - 2 * MARGIN) * Math.log1p(Math.max(0, at - from) / 1000)) / Math.max(0.1, span);
  const now = new Date();
  const said = [
    `${attempts.length} attempt${attempts.length === 1 ? '' : 's'}`,
    next && `the next at ${formatMoment(new Date(next), now)}`,
    end && `tried until ${formatMoment(new Date(end), now)}`,
  ].filter(Boolean);
  return (
    <figure className="strip">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={said.join(', ')}>
        <line x1={MARGIN} x2={WIDTH - MARGIN} y1={HEIGHT / 2} y2={HEIGHT / 2} />
      </svg>
      {attempts.map(({ attempt, at, outcome }) => (
        <span
          key={`${attempt} ${at}`}
          className={`strip-dot shape ${KIND[outcome]}`}
          style={{ left: `${place(Date.parse(at)) / (WIDTH / 100)}%` }}
          aria-hidden="true"
        />
      ))}
      {next && (
        <span className="strip-dot next" style={{ left: `${place(Date.parse(next)) / (WIDTH / 100)}%` }} aria-hidden="true" />
      )}
      <figcaption className="muted small">
        <span>{formatMoment(new Date(change.changed_at), now)}</span>
        <span>{end ? `tried until ${formatMoment(new Date(end), now)}` : formatMoment(new Date(last), now)}</span>
      </figcaption>
    </figure>
  );
}
