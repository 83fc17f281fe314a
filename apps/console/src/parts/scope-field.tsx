import { useEffect, useId, useState, type ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { agentSearchQuery } from '../api/queries';
import type { AgentRef, AgentType } from '../api/types';
import { nameOf } from '../board/agent-row';
import { Field } from './field';

/** Whose changes an agent event is for; `unknown`: an agent's, that has not been found. */
export type Scope = 'all' | AgentType | 'unknown' | Pick<AgentRef, 'id' | 'agent_type'>;

const WORDS = { all: 'Every agent', local: 'Every local agent', remote: 'Every remote agent' } as const;
const ONE = 'one';

/** Asks whose changes an agent event is for. */
export function ScopeField({
  scope,
  onChange,
  mayBeOne,
  isUnknown,
}: {
  readonly scope: Scope;
  readonly onChange: (scope: Scope) => void;
  /** Whether it may be for one agent: one that is there stays every agent's. */
  readonly mayBeOne: boolean;
  /** It was tried to save it for an agent that was not found. */
  readonly isUnknown: boolean;
}): ReactNode {
  const isOne = scope === 'unknown' || typeof scope === 'object';
  return (
    <>
      <Field label="Agents">
        {(props) => (
          <select
            {...props}
            value={isOne ? ONE : scope}
            onChange={({ target }) => onChange(target.value === ONE ? 'unknown' : (target.value as keyof typeof WORDS))}
          >
            {Object.entries(WORDS).map(([value, word]) => (
              <option key={value} value={value}>
                {word}
              </option>
            ))}
            {mayBeOne && <option value={ONE}>One agent …</option>}
          </select>
        )}
      </Field>
      {isOne && <AgentField onChange={onChange} errors={isUnknown && scope === 'unknown' ? [NOT_FOUND] : undefined} />}
    </>
  );
}

const NOT_FOUND = 'must be the name, the number or the id of an agent';

/** One agent, by what it is called. */
function AgentField({
  onChange,
  errors,
}: {
  readonly onChange: (scope: Scope) => void;
  readonly errors: readonly string[] | undefined;
}): ReactNode {
  const [text, setText] = useState('');
  const list = useId();
  const found = useQuery({ ...agentSearchQuery(text), enabled: text !== '', placeholderData: undefined });
  const agent = found.data?.find((one) => nameOf(one) === text || String(one.id) === text);
  useEffect(() => {
    onChange(agent ? { id: agent.id, agent_type: agent.agent_type } : 'unknown');
  }, [agent?.id, agent?.agent_type]);
  return (
    <Field label="Name, number or id" errors={errors}>
      {(props) => (
        <>
          <input {...props} list={list} value={text} autoComplete="off" onChange={(event) => setText(event.target.value)} />
          <datalist id={list}>
            {found.data?.map((one) => (
              <option key={one.id} value={nameOf(one)}>
                #{one.id}
              </option>
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}
