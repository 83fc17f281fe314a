import { useState, type ReactNode } from 'react';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { call } from '../api/http';
import { eventPath, ownerOf } from '../api/paths';
import { deliveryQuery } from '../api/queries';
import type { Attempt, Delivery, DeliveryDetails, SentRequest } from '../api/types';
import { AttemptStrip } from '../parts/attempt-strip';
import { CopyButton } from '../parts/copy-button';
import { Gone, isGone } from '../parts/gone';
import { Moment } from '../parts/moment';
import { Page } from '../parts/page';
import { Loaded } from '../parts/states';
import { Pill, Status } from '../parts/status';
import { say, sayFailure } from '../parts/toasts';
import { asCurl } from '../text/curl';
import { formatLatency, formatLength } from '../text/time';
import { AGENT_STATUS, DELIVERY_STATUS, deliveryTitle, outcomeOf, whyOf, type Kind } from '../text/words';

const route = getRouteApi('/deliveries/$id');

/** Shows one delivery: what exactly, when, what came back, and why it is not there. */
export function DeliveryPage(): ReactNode {
  const { id } = route.useParams();
  const delivery = useQuery(deliveryQuery(id));
  if (isGone(delivery.error)) {
    return (
      <Gone title="Delivery">
        There is no such delivery, or the log no longer reaches back to it. <Link to="/deliveries">All deliveries</Link>
      </Gone>
    );
  }
  if (!delivery.data) {
    return (
      <Page title="Delivery">
        <Loaded query={delivery} what="The delivery">
          {() => null}
        </Loaded>
      </Page>
    );
  }
  return <DeliveryDetail delivery={delivery.data} />;
}

function DeliveryDetail({ delivery }: { readonly delivery: DeliveryDetails }): ReactNode {
  const { agent_event: event, agent, change, status, attempts, request, resending } = delivery;
  const { kind, word } = DELIVERY_STATUS[status];
  return (
    <Page
      title={deliveryTitle(delivery)}
      beside={<Pill kind={kind} word={resending ? 'Delivered, being sent again' : word} />}
      aside={<FittingAction delivery={delivery} />}
    >
      <p className="lead">{whyOf(delivery, new Date())}</p>
      <AttemptStrip delivery={delivery} />
      <section className="card" aria-label="Facts">
        <dl className="facts">
          <div>
            <dt>To</dt>
            <dd>
              {event.url === null ? (
                <span className="muted">agent event {event.id}, deleted</span>
              ) : (
                <Link to="/events/$id" params={{ id: String(event.id) }} className="mono">
                  {event.method} <bdi>{event.url}</bdi>
                </Link>
              )}
            </dd>
          </div>
          {agent && (
            <div>
              <dt>Agent</dt>
              <dd>
                <Link
                  to="/agents/$type/$id"
                  params={{ type: agent.agent_type, id: String(agent.id) }}
                  search={change ? { at: change.changed_at } : {}}
                >
                  <bdi>{agent.name ?? `#${agent.id}`}</bdi>
                </Link>{' '}
                <span className="muted">
                  #{agent.id}, {agent.agent_type}
                </span>
              </dd>
            </div>
          )}
          {change && (
            <>
              <div>
                <dt>Change</dt>
                <dd>
                  <Status {...AGENT_STATUS[change.agent_status]} />{' '}
                  <span className="muted">
                    by {change.event_source}, sequence {change.sequence}
                  </span>
                </dd>
              </div>
              <div>
                <dt>When</dt>
                <dd>
                  <Moment at={change.occurred_at} />
                </dd>
              </div>
            </>
          )}
          <div>
            <dt>webhook-id</dt>
            <dd className="mono">{delivery.id}</dd>
          </div>
        </dl>
      </section>
      {request && <Request request={request} />}
      <section className="card" aria-label="Attempts">
        <h2>Attempts</h2>
        {attempts.length === 0 ? (
          <p className="muted">None yet.</p>
        ) : (
          <ol className="plain attempts" reversed>
            {[...attempts]
              .sort((a, b) => b.attempt - a.attempt)
              .map((attempt) => (
                <AttemptRow key={`${attempt.attempt} ${attempt.at}`} attempt={attempt} since={change?.changed_at} />
              ))}
          </ol>
        )}
      </section>
    </Page>
  );
}

/** The one act that helps a delivery in its state; none where none does. */
function FittingAction({ delivery }: { readonly delivery: Delivery }): ReactNode {
  const queryClient = useQueryClient();
  const path = eventPath(ownerOf(delivery), delivery.agent_event.id);
  const send = useMutation({
    mutationFn: () => call('POST', `${path}/delivery/${encodeURIComponent(delivery.id)}/redeliver`),
    onSuccess: () => {
      say(delivery.status === 'retrying' ? 'It is tried now.' : 'It is being sent again.');
      void queryClient.invalidateQueries();
    },
    onError: sayFailure,
  });
  const resume = useMutation({
    mutationFn: () => call('POST', `${path}/resume`),
    onSuccess: () => {
      say('Resumed: what waited is sent, in order.');
      void queryClient.invalidateQueries();
    },
    onError: sayFailure,
  });
  const { status, waiting_for: waits, agent_event: event, resending } = delivery;
  if (event.url === null) return null;
  const sendButton = (word: string): ReactNode => (
    <button type="button" className="button primary" disabled={send.isPending} onClick={() => send.mutate()}>
      {word}
    </button>
  );
  switch (status) {
    case 'delivered':
      return resending ? null : sendButton('Send again');
    case 'failed':
      return sendButton('Send again');
    case 'retrying':
      return sendButton('Try now');
    case 'suspended':
      return (
        <button type="button" className="button primary" disabled={resume.isPending} onClick={() => resume.mutate()}>
          Resume the agent event
        </button>
      );
    case 'waiting':
      return waits?.reason === 'earlier' ? (
        <Link to="/deliveries/$id" params={{ id: waits.delivery_id }} className="button primary">
          Open the one it waits for
        </Link>
      ) : null;
    case 'sending':
    case 'dropped':
      return null;
  }
}

function Request({ request }: { readonly request: SentRequest }): ReactNode {
  const [raw, setRaw] = useState(false);
  const { method, url, body, pairs, headers, changed_since: isChanged } = request;
  return (
    <section className="card" aria-label="Request">
      <div className="card-head">
        <h2>Request</h2>
        <div className="segments" role="group" aria-label="Form">
          <button type="button" aria-pressed={!raw} onClick={() => setRaw(false)}>
            Pairs
          </button>
          <button type="button" aria-pressed={raw} onClick={() => setRaw(true)}>
            As sent
          </button>
        </div>
        <CopyButton text={asCurl(request)} what="The command, without the signature,">
          Copy as curl
        </CopyButton>
      </div>
      {raw ? (
        <pre className="answer" tabIndex={0} aria-label="The request as sent">
          {[
            `${method} ${url}`,
            ...Object.entries(headers).map(([name, value]) => `${name}: ${shortened(name, value)}`),
            '',
            body ?? '',
          ].join('\n')}
        </pre>
      ) : (
        <dl className="pairs mono">
          {pairs.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <bdi>{value}</bdi>
              </dd>
            </div>
          ))}
        </dl>
      )}
      <p className="muted small">
        Composed anew by what sends it: nothing more than the change is kept.
        {isChanged && ' The agent event was changed since: what was sent then went to its former url, or by its former method.'}
      </p>
    </section>
  );
}

const SIGNATURE_SHOWN = 10;

function shortened(name: string, value: string): string {
  return name === 'webhook-signature' && value.length > SIGNATURE_SHOWN ? `${value.slice(0, SIGNATURE_SHOWN)}…` : value;
}

const OUTCOME: Readonly<Record<Attempt['outcome'], { readonly word: string; readonly kind: Kind }>> = {
  delivered: { word: 'Delivered', kind: 'ok' },
  retry: { word: 'To be tried again', kind: 'warn' },
  failed: { word: 'Failed', kind: 'bad' },
  dropped: { word: 'Dropped', kind: 'off' },
};
const TRIGGER = { first: '', retry: '', redeliver: 'sent again', replay: 'by a replay' } as const;
/** A bar of this latency is full, in milliseconds: the longest that an attempt may take by default. */
const FULL_BAR_MS = 10_000;

function AttemptRow({ attempt, since }: { readonly attempt: Attempt; readonly since: string | undefined }): ReactNode {
  const { word, kind } = OUTCOME[attempt.outcome];
  const after = since === undefined ? undefined : Date.parse(attempt.at) - Date.parse(since);
  const trigger = TRIGGER[attempt.trigger];
  return (
    <li className="attempt">
      <div className="attempt-head">
        <span className="figure muted">{attempt.attempt}</span>
        <Status kind={kind} word={word} />
        <span>
          {outcomeOf(attempt)}
          {trigger !== '' && <span className="muted"> · {trigger}</span>}
        </span>
        <span className="latency">
          <meter min={0} max={FULL_BAR_MS} value={Math.min(FULL_BAR_MS, attempt.latency_ms)} aria-label="Latency" />
          <span className="figure">{formatLatency(attempt.latency_ms)}</span>
        </span>
        <span className="muted right">
          <Moment at={attempt.at} />
          {after !== undefined && after >= 1000 && <> · +{formatLength(after)}</>}
        </span>
      </div>
      {attempt.response !== null && attempt.response !== '' && (
        <details>
          <summary>Answer</summary>
          <pre className="answer" tabIndex={0} aria-label="The answer">
            {attempt.response}
          </pre>
        </details>
      )}
    </li>
  );
}
