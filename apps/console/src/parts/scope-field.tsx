import { useEffect, useId, useState, type ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { agentSearchQuery } from '../api/queries';
import type { AgentType } from '../api/types';
import { nameOf } from '../board/agent-row';
import { agentCalled, type OneAgent } from './agent-called';
import { Field } from './field';

/** Why it is open which agent is meant, as what follows `It …`. */
const OPEN = {
  unknown: 'must be the name, the number or the id of an agent',
  ambiguous: 'is what more than one agent is called: give the name, the number or the id that is one agent’s alone',
  searching: 'is still being looked for: try again in a moment',
  unreadable: 'could not be looked for: try again',
} as const;
type Open = keyof typeof OPEN;

/** Whose changes an agent event is for: everybody's, one agent's, or one's that is not found. */
export type Scope = 'all' | AgentType | OneAgent | Open;

/** Tells whether it is to be for one agent, but open for which. */
export function isOpen(scope: Scope): scope is Open {
  return typeof scope === 'string' && Object.hasOwn(OPEN, scope);
}

const WORDS = { all: 'Every agent', local: 'Every local agent', remote: 'Every remote agent' } as const;
const ONE = 'one';
/** A search that failed is made again, in milliseconds. */
const AGAIN_MS = 3000;

/** Asks whose changes an agent event is for. */
export function ScopeField({
  scope,
  onChange,
  mayBeOne,
  isMissed,
}: {
  readonly scope: Scope;
  readonly onChange: (scope: Scope) => void;
  /** Whether it may be for one agent: one that is there stays every agent's. */
  readonly mayBeOne: boolean;
  /** It was tried to save it while it was open for which agent. */
  readonly isMissed: boolean;
}): ReactNode {
  const isOne = typeof scope === 'object' || isOpen(scope);
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
      {isOne && <AgentField onChange={onChange} errors={isMissed && isOpen(scope) ? [OPEN[scope]] : undefined} />}
    </>
  );
}

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
  const found = useQuery({
    ...agentSearchQuery(text),
    enabled: text !== '',
    placeholderData: undefined,
    refetchInterval: ({ state }) => (state.status === 'error' ? AGAIN_MS : false),
  });
  const missing = found.failureReason ? 'unreadable' : 'searching';
  const scope = text === '' ? 'unknown' : found.data ? agentCalled(text, found.data) : missing;
  useEffect(() => onChange(scope), [JSON.stringify(scope)]);
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
