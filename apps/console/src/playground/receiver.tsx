import { useState, type ReactNode } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { call } from '../api/http';
import { receivedQuery } from '../api/queries';
import type { ReceivedRequest } from '../api/types';
import { Moment } from '../parts/moment';
import { Empty, Loaded } from '../parts/states';
import { Pill } from '../parts/status';
import { sayFailure } from '../parts/toasts';

const SHOWN = 12;
const MODES = [
  ['200', { status: 200, delay_ms: 0 }],
  ['503', { status: 503, delay_ms: 0 }],
  ['410', { status: 410, delay_ms: 0 }],
  ['slow', { status: 200, delay_ms: 3000 }],
] as const;
type Mode = (typeof MODES)[number][0];

/** Shows the demo receiver: what arrived there, and what it is to answer. */
export function Receiver(): ReactNode {
  const queryClient = useQueryClient();
  const received = useQuery(receivedQuery());
  const [mode, setMode] = useState<Mode>();
  const answer = useMutation({
    mutationFn: async (wanted: (typeof MODES)[number]): Promise<Mode> => {
      await call('POST', '/console/playground/mode', { body: wanted[1] });
      return wanted[0];
    },
    onSuccess: setMode,
    onError: sayFailure,
  });
  const forget = useMutation({
    mutationFn: () => call('DELETE', '/console/playground/received'),
    onSuccess: () => void queryClient.invalidateQueries({ queryKey: receivedQuery().queryKey }),
    onError: sayFailure,
  });
  return (
    <section className="card" aria-label="The receiver">
      <div className="card-head">
        <h2>The receiver</h2>
        <button type="button" className="button quiet small" disabled={forget.isPending} onClick={() => forget.mutate()}>
          Empty the list
        </button>
      </div>
      <div className="segments wide" role="group" aria-label="What it answers">
        {MODES.map((one) => (
          <button key={one[0]} type="button" aria-pressed={mode === one[0]} onClick={() => answer.mutate(one)}>
            {one[0] === 'slow' ? 'Slow' : one[0]}
          </button>
        ))}
      </div>
      <p className="muted small">
        {mode === undefined
          ? 'It answers as it was last told to.'
          : mode === 'slow'
            ? 'It answers 200 after 3 s.'
            : `It answers ${mode}.`}
      </p>
      <Loaded query={received} what="What the receiver got">
        {(requests) =>
          requests.length === 0 ? (
            <Empty>Nothing has arrived yet.</Empty>
          ) : (
            <ul className="plain lines received">
              {[...requests]
                .reverse()
                .slice(0, SHOWN)
                .map((request, index) => (
                  <Request key={request.n ?? `${request.at} ${index}`} request={request} />
                ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}

function Request({ request }: { readonly request: ReceivedRequest }): ReactNode {
  const { method, url, headers, body, at, signed } = request;
  const attempt = headers['webhook-attempt'];
  return (
    <li>
      <div className="received-head">
        <span className="mono">
          {method} <bdi>{url.split('?')[0]}</bdi>
        </span>
        <span className="muted">
          <Moment at={at} />
        </span>
      </div>
      <pre className="answer">{body === '' ? (url.split('?')[1] ?? '') : body}</pre>
      <div className="received-head">
        {signed ? <Pill kind="ok" word="Signature good" /> : <Pill kind="off" word="Not signed" />}
        <span className="muted small">
          {headers['webhook-test'] !== undefined && 'a test, '}
          {attempt !== undefined && `attempt ${attempt}`}
        </span>
      </div>
    </li>
  );
}
