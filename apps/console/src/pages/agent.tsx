import { useState, type ReactNode } from 'react';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { agentQuery, historyQuery, lastChangeBeforeQuery, ownEventsQuery } from '../api/queries';
import type { Agent, AgentType, StatusChange } from '../api/types';
import { AgentMoment } from '../agent/agent-moment';
import { Timeline } from '../agent/timeline';
import { nameOf } from '../board/agent-row';
import { useNow } from '../clock';
import { EventForm } from '../parts/event-form';
import { EventRow } from '../parts/event-row';
import { isGone } from '../parts/gone';
import { useKeys, useRowKeys } from '../parts/keyboard';
import { Elapsed, Moment } from '../parts/moment';
import { Page } from '../parts/page';
import { Empty, Loaded } from '../parts/states';
import { Pill, Status } from '../parts/status';
import { formatDay, startOfDay } from '../text/time';
import { AGENT_STATUS, changeWord } from '../text/words';
import { NotFound } from './not-found';

const route = getRouteApi('/agents/$type/$id');
const DAY_MS = 86_400_000;
const SHOWN_CHANGES = 50;

/** Shows what an agent did, and who was told. */
export function AgentPage(): ReactNode {
  const { type, id } = route.useParams();
  if ((type !== 'local' && type !== 'remote') || !/^\d{1,10}$/.test(id)) return <NotFound />;
  return <AgentDetail key={`${type} ${id}`} type={type} id={Number(id)} />;
}

function AgentDetail({ type, id }: { readonly type: AgentType; readonly id: number }): ReactNode {
  const { at } = route.useSearch();
  const navigate = route.useNavigate();
  const agent = useQuery(agentQuery(type, id));
  const [adding, setAdding] = useState(false);
  useKeys({ n: () => setAdding(true) });
  const now = useNow();
  const day = startOfDay(new Date(at ?? now));
  const from = day.getTime();
  const to = Math.min(from + DAY_MS, Math.max(now, from + 60_000));
  // To the next whole minute, so that the question does not change each second.
  const until = new Date(from + DAY_MS).toISOString();
  const history = useQuery(historyQuery(type, id, day.toISOString(), until));
  const before = useQuery(lastChangeBeforeQuery(type, id, day.toISOString()));
  const pick = (moment: number): void => {
    void navigate({ search: { at: new Date(moment).toISOString() }, replace: true });
  };
  const changes = history.data ?? [];
  const gone = isGone(agent.error);
  const name = agent.data ? nameOf(agent.data) : changes[0] ? nameOf(changes[0]) : `Agent #${id}`;
  return (
    <Page
      title={name}
      beside={gone ? <Pill kind="off" word="Deleted" /> : agent.data && <AgentState agent={agent.data} />}
      aside={
        !gone && (
          <button type="button" className="button primary" onClick={() => setAdding(true)}>
            Add an agent event
          </button>
        )
      }
    >
      <p className="lead muted">
        #{id}, {type}
        {gone && '. This agent was deleted, or never was; what the log still has of it is below.'}
      </p>
      {!gone && (
        <Loaded query={agent} what="The agent" skeleton={<></>}>
          {() => null}
        </Loaded>
      )}
      <section className="card" aria-label="The day">
        <div className="card-head">
          <h2>{formatDay(day, new Date(now))}</h2>
          <DayButtons from={from} isToday={from + DAY_MS > now} onDay={(moment) => pick(moment)} />
        </div>
        <Loaded query={history} what="The history">
          {(found) => (
            <Timeline
              changes={found}
              before={before.data?.[0]?.agent_status ?? 'logged_out'}
              from={from}
              to={to}
              picked={at === undefined ? undefined : Date.parse(at)}
              onPick={pick}
            />
          )}
        </Loaded>
      </section>
      {at !== undefined && <AgentMoment type={type} id={id} at={at} />}
      <div className="columns">
        <History changes={changes} onPick={pick} />
        <OwnEvents type={type} id={id} />
      </div>
      {adding && <EventForm owner={{ id, agent_type: type }} onClose={() => setAdding(false)} />}
    </Page>
  );
}

function AgentState({ agent }: { readonly agent: Agent }): ReactNode {
  const { kind, word } = AGENT_STATUS[agent.agent_status];
  return (
    <>
      <Pill kind={kind} word={word} />
      {agent.status_since !== null && (
        <span className="muted">
          for <Elapsed since={Date.parse(agent.status_since)} />
        </span>
      )}
    </>
  );
}

function DayButtons({
  from,
  isToday,
  onDay,
}: {
  readonly from: number;
  readonly isToday: boolean;
  readonly onDay: (moment: number) => void;
}): ReactNode {
  return (
    <div className="actions">
      <button type="button" className="button" onClick={() => onDay(from - DAY_MS / 2)}>
        Day before
      </button>
      <button
        type="button"
        className="button"
        disabled={isToday}
        onClick={() => onDay(Math.min(Date.now(), from + 1.5 * DAY_MS))}
      >
        Day after
      </button>
    </div>
  );
}

function History({
  changes,
  onPick,
}: {
  readonly changes: readonly StatusChange[];
  readonly onPick: (moment: number) => void;
}): ReactNode {
  return (
    <section className="card" aria-label="History">
      <h2>Changes of this day</h2>
      {changes.length === 0 ? (
        <p className="muted">Nothing changed.</p>
      ) : (
        <ol className="plain lines" reversed>
          {changes.slice(0, SHOWN_CHANGES).map((change) => (
            <li key={change.id} className="history-row">
              <Status kind={AGENT_STATUS[change.agent_status].kind} word={changeWord(change.agent_status)} />
              <span className="muted">by {change.event_source}</span>
              <button type="button" className="link right" onClick={() => onPick(Date.parse(change.changed_at) + 1)}>
                <Moment at={change.changed_at} />
                <span className="hidden">, explain</span>
              </button>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function OwnEvents({ type, id }: { readonly type: AgentType; readonly id: number }): ReactNode {
  const events = useQuery(ownEventsQuery(type, id));
  const rowKeys = useRowKeys();
  return (
    <section className="card flush" aria-label="Agent events of this agent">
      <div className="card-head padded">
        <h2>Its agent events</h2>
        <Link to="/deliveries" search={{ agent: id }}>
          Its deliveries
        </Link>
      </div>
      <Loaded query={events} what="The agent events">
        {(found) =>
          found.length === 0 ? (
            <Empty>None of its own. Those for every agent count for it too.</Empty>
          ) : (
            <ul className="plain rows compact" {...rowKeys}>
              {found.map((event, index) => (
                <EventRow key={event.id} event={event} isStop={index === 0} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}
