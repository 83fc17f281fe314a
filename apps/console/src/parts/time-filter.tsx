import { useState, type ReactNode } from 'react';
import { toLocalInput } from '../text/time';

export const RECENT_SPANS = ['1h', '24h', '7d'] as const;
export type RecentSpan = (typeof RECENT_SPANS)[number];

/** When: of late, or between two moments. */
export interface TimeSpan {
  readonly span?: RecentSpan | undefined;
  /** RFC 3339. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

const HOUR_MS = 3_600_000;
const LENGTH_MS: Readonly<Record<RecentSpan, number>> = { '1h': HOUR_MS, '24h': 24 * HOUR_MS, '7d': 168 * HOUR_MS };
const WORDS: Readonly<Record<RecentSpan, string>> = { '1h': 'Last hour', '24h': 'Last 24 hours', '7d': 'Last 7 days' };
const BETWEEN = 'between';

/** The moments of a time. @param now milliseconds since the epoch */
export function momentsOf({ span, since, until }: TimeSpan, now: number): Pick<TimeSpan, 'since' | 'until'> {
  return span === undefined ? { since, until } : { since: new Date(now - LENGTH_MS[span]).toISOString() };
}

/** Asks for a time; its moments are asked for only where none of the usual will do. */
export function TimeFilter({
  time,
  onChange,
}: {
  readonly time: TimeSpan;
  readonly onChange: (time: TimeSpan) => void;
}): ReactNode {
  const { span, since, until } = time;
  const [asked, setAsked] = useState(false);
  const isBetween = span === undefined && (asked || since !== undefined || until !== undefined);
  const choose = (value: string): void => {
    setAsked(value === BETWEEN);
    onChange({ span: RECENT_SPANS.find((one) => one === value), since: undefined, until: undefined });
  };
  return (
    <>
      <select aria-label="Time" value={span ?? (isBetween ? BETWEEN : '')} onChange={(event) => choose(event.target.value)}>
        <option value="">Any time</option>
        {RECENT_SPANS.map((one) => (
          <option key={one} value={one}>
            {WORDS[one]}
          </option>
        ))}
        <option value={BETWEEN}>Between …</option>
      </select>
      {isBetween && (
        <>
          <MomentField label="Since" value={since} onChange={(at) => onChange({ span, since: at, until })} />
          <MomentField label="Until" value={until} onChange={(at) => onChange({ span, since, until: at })} />
        </>
      )}
    </>
  );
}

function MomentField({
  label,
  value,
  onChange,
}: {
  readonly label: string;
  readonly value: string | undefined;
  readonly onChange: (at: string | undefined) => void;
}): ReactNode {
  return (
    <label className="moment-field">
      <span className="muted">{label}</span>
      <input
        type="datetime-local"
        value={value === undefined ? '' : toLocalInput(new Date(value)).slice(0, 16)}
        onChange={(event) => onChange(event.target.value === '' ? undefined : new Date(event.target.value).toISOString())}
      />
    </label>
  );
}
