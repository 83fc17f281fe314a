import type { ReactNode } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { call } from '../api/http';
import { eventPath, type EventOwner } from '../api/paths';
import { replaysQuery } from '../api/queries';
import type { ReplayJob } from '../api/types';
import { formatCount } from '../text/numbers';
import { Moment } from './moment';
import { say, sayFailure } from './toasts';

const SHOWN = 5;
const WORDS = { running: 'Running', finished: 'Finished', cancelled: 'Cancelled' } as const;

/** Shows what is being sent again, and was; it goes on when the page is closed. */
export function Replays({ owner, id }: { readonly owner: EventOwner; readonly id: number }): ReactNode {
  const jobs = useQuery(replaysQuery(owner, id));
  if (!jobs.data || jobs.data.length === 0) return null;
  const newestFirst = [...jobs.data].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  return (
    <section className="card" aria-label="Replays">
      <h2>Replays</h2>
      <ul className="plain lines">
        {newestFirst.slice(0, SHOWN).map((job) => (
          <Job key={job.id} job={job} path={`${eventPath(owner, id)}/replay/${job.id}`} />
        ))}
      </ul>
    </section>
  );
}

function Job({ job, path }: { readonly job: ReplayJob; readonly path: string }): ReactNode {
  const queryClient = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => call('DELETE', path),
    onSuccess: () => {
      say('Replay cancelled: what had not been sent stays unsent.');
      void queryClient.invalidateQueries();
    },
    onError: sayFailure,
  });
  const done = job.delivered + job.failed;
  return (
    <li className="job">
      <div className="job-head">
        <span>
          {WORDS[job.status]}: {formatCount(done)} of {formatCount(job.total)}
          {job.failed > 0 && <span className="bad-text">, {formatCount(job.failed)} failed</span>}
        </span>
        <span className="muted">
          <Moment at={job.created_at} />
        </span>
        {job.status === 'running' && (
          <button type="button" className="button small" disabled={cancel.isPending} onClick={() => cancel.mutate()}>
            Cancel
          </button>
        )}
      </div>
      <progress max={Math.max(1, job.total)} value={done} aria-label="Sent again" />
    </li>
  );
}
