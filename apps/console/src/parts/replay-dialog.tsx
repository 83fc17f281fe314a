import { useState, type ReactNode } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { ApiFailure, call } from '../api/http';
import { eventPath } from '../api/paths';
import type { EventHealth, ReplayCount, ReplayJob, ReplayRange } from '../api/types';
import { countOf, formatCount } from '../text/numbers';
import { toLocalInput } from '../text/time';
import { Dialog } from './dialog';
import { Moment } from './moment';
import { say } from './toasts';

const HOUR_MS = 3_600_000;

/** Sends what happened in a span again: it is counted first, and sent only when one has seen how much that is. */
export function ReplayDialog({ event, onClose }: { readonly event: EventHealth; readonly onClose: () => void }): ReactNode {
  const queryClient = useQueryClient();
  const [from, setFrom] = useState(() => toLocalInput(new Date(Date.now() - HOUR_MS)));
  const [to, setTo] = useState('');
  const [only, setOnly] = useState<ReplayRange['only']>('failed');
  const path = eventPath(event.agent, event.id);
  const range = (): ReplayRange => ({
    since: new Date(from).toISOString(),
    ...(to !== '' && { until: new Date(to).toISOString() }),
    only,
  });
  // A route of its own, so that counting never sends.
  const count = useMutation({ mutationFn: () => call<ReplayCount>('POST', `${path}/replay/count`, { body: range() }) });
  const start = useMutation({
    mutationFn: () => call<ReplayJob>('POST', `${path}/replay`, { body: range() }),
    onSuccess: (job) => {
      say(`${countOf(job.total, 'notification')} ${job.total === 1 ? 'is' : 'are'} being sent again.`);
      void queryClient.invalidateQueries();
      onClose();
    },
  });
  const change = (set: (value: string) => void) => (changed: { readonly target: { readonly value: string } }) => {
    count.reset();
    set(changed.target.value);
  };
  const counted = count.data;
  const problem = (count.error ?? start.error) as ApiFailure | null;
  return (
    <Dialog title="Replay" onClose={onClose}>
      <div className="form">
        <div className="field-pair">
          <label className="field">
            <span>From</span>
            <input type="datetime-local" step={1} required value={from} onChange={change(setFrom)} />
          </label>
          <label className="field">
            <span>To (empty: now)</span>
            <input type="datetime-local" step={1} value={to} onChange={change(setTo)} />
          </label>
        </div>
        <fieldset className="choice-set">
          <legend>What</legend>
          {(
            [
              ['failed', 'Only what failed'],
              ['all', 'Everything, also what was delivered'],
            ] as const
          ).map(([value, word]) => (
            <label key={value} className="check">
              <input
                type="radio"
                name="only"
                checked={only === value}
                onChange={() => {
                  count.reset();
                  setOnly(value);
                }}
              />
              {word}
            </label>
          ))}
        </fieldset>
        {counted && (
          <p className="notice" role="status">
            {counted.count === 0 ? (
              'Nothing in this span is to be sent.'
            ) : (
              <>
                This sends {countOf(counted.count, 'notification')} to <bdi>{hostOf(event.url)}</bdi>
                {counted.first && counted.last && (
                  <>
                    , from <Moment at={counted.first} /> to <Moment at={counted.last} />
                  </>
                )}
                .
              </>
            )}
          </p>
        )}
        {problem && (
          <p className="problem" role="alert">
            {Object.entries(problem.errors ?? {})
              .map(([field, why]) => `${field} ${why.join(', ')}`)
              .join('; ') || problem.message}
          </p>
        )}
        <div className="actions end">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          {counted && counted.count > 0 ? (
            <button type="button" className="button primary" disabled={start.isPending} onClick={() => start.mutate()}>
              Send {formatCount(counted.count)}
            </button>
          ) : (
            <button
              type="button"
              className="button primary"
              disabled={count.isPending || from === ''}
              onClick={() => count.mutate()}
            >
              Count them
            </button>
          )}
        </div>
      </div>
    </Dialog>
  );
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
