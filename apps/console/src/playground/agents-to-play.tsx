import { useDeferredValue, useState, type ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { agentSearchQuery } from '../api/queries';
import type { Agent } from '../api/types';
import { nameOf } from '../board/agent-row';
import { Empty, Loaded } from '../parts/states';
import { Status } from '../parts/status';
import { AGENT_STATUS } from '../text/words';
import type { Act } from './reports';

/** Shows the agents, each with what can be reported of it. */
export function AgentsToPlay({
  onAct,
  isBusy,
}: {
  readonly onAct: (agent: Agent, act: Act) => void;
  readonly isBusy: boolean;
}): ReactNode {
  const [text, setText] = useState('');
  const q = useDeferredValue(text);
  const agents = useQuery({ ...agentSearchQuery(q), refetchInterval: 1000 });
  return (
    <section className="card" aria-label="Agents">
      <h2>Agents</h2>
      <input
        type="search"
        data-search
        className="search"
        aria-label="Search by name, number or id"
        placeholder="Search"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <Loaded query={agents} what="The agents">
        {(found) =>
          found.length === 0 ? (
            <Empty>{q === '' ? 'No agents yet.' : 'No agent matches.'}</Empty>
          ) : (
            <ul className="plain play-agents">
              {found.slice(0, 8).map((agent) => (
                <PlayedAgent key={agent.id} agent={agent} onAct={(act) => onAct(agent, act)} isBusy={isBusy} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}

const ACTS: readonly (readonly [Act, string])[] = [
  ['login', 'Log in'],
  ['logout', 'Log out'],
  ['repeat', 'Repeat'],
  ['late', 'Late report'],
];

function PlayedAgent({
  agent,
  onAct,
  isBusy,
}: {
  readonly agent: Agent;
  readonly onAct: (act: Act) => void;
  readonly isBusy: boolean;
}): ReactNode {
  const name = nameOf(agent);
  return (
    <li>
      <div className="play-agent">
        <Link to="/agents/$type/$id" params={{ type: agent.agent_type, id: String(agent.id) }}>
          <bdi>{name}</bdi>
        </Link>
        <Status {...AGENT_STATUS[agent.agent_status]} />
      </div>
      <div className="actions" role="group" aria-label={`Report of ${name}`}>
        {ACTS.map(([act, word]) => (
          <button key={act} type="button" className="button small" disabled={isBusy} onClick={() => onAct(act)}>
            {word}
          </button>
        ))}
      </div>
    </li>
  );
}
