import { memo, type ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import type { StatusChange } from '../api/types';
import { Moment } from '../parts/moment';
import { Status } from '../parts/status';
import { useStore } from '../store';
import { AGENT_STATUS, changeWord } from '../text/words';
import { nameOf } from './agent-row';
import type { LiveBoard } from './live-board';

/** Shows the last changes, where the screen is wide enough. */
export function JustChanged({ board }: { readonly board: LiveBoard }): ReactNode {
  useStore(board.state);
  return (
    <aside className="card just-changed" aria-label="Just changed">
      <h2>Just changed</h2>
      {board.justChanged.length === 0 ? (
        <p className="muted">Nothing has changed since you opened this page.</p>
      ) : (
        <ol className="plain">
          {board.justChanged.map((change) => (
            <Change key={change.id} change={change} />
          ))}
        </ol>
      )}
    </aside>
  );
}

/** Drawn once: many may come in a second. */
const Change = memo(function Change({ change }: { readonly change: StatusChange }): ReactNode {
  return (
    <li>
      <Status kind={AGENT_STATUS[change.agent_status].kind} word={changeWord(change.agent_status)} />
      <Link to="/agents/$type/$id" params={{ type: change.agent_type, id: String(change.agent_id) }} preload={false}>
        <bdi>{nameOf(change)}</bdi>
      </Link>
      <span className="muted">
        <Moment at={change.changed_at} />
      </span>
    </li>
  );
});
