import { useState, type ReactNode } from 'react';
import { toLocalInput } from '../text/time';
import { RECENT_SPANS, type RecentSpan, type TimeSpan } from '../text/time-span';

const WORDS: Readonly<Record<RecentSpan, string>> = { '1h': 'Last hour', '24h': 'Last 24 hours', '7d': 'Last 7 days' };
const BETWEEN = 'between';

/** Asks for a time; its moments are asked for only where none of the usual will do, and then until something else is chosen. */
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
  const change = (moments: Pick<TimeSpan, 'since' | 'until'>): void => {
    setAsked(true); // a field that is emptied stays, to be filled again
    onChange({ span, since, until, ...moments });
  };
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
          <MomentField label="Since" value={since} onChange={(at) => change({ since: at })} />
          <MomentField label="Until" value={until} onChange={(at) => change({ until: at })} />
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
