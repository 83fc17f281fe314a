import type { ReactNode } from 'react';
import type { AgentStatus } from '../api/types';
import { useNow } from '../clock';
import { Shape } from '../parts/status';
import { useStore } from '../store';
import { formatCount } from '../text/numbers';
import type { LiveBoard } from './live-board';

/** Shows the four numbers; the first two filter the list. */
export function BoardTiles({
  board,
  live,
  status,
  onStatus,
}: {
  readonly board: LiveBoard;
  readonly live: boolean;
  readonly status: AgentStatus | undefined;
  readonly onStatus: (status: AgentStatus | undefined) => void;
}): ReactNode {
  const { available, total } = useStore(board.state);
  const now = useNow(live);
  const { logins, logouts } = board.recent.sum(now);
  const filter = (wanted: AgentStatus) => () => onStatus(status === wanted ? undefined : wanted);
  return (
    <div className={live ? 'tiles' : 'tiles stale'}>
      <button type="button" className="tile" aria-pressed={status === 'available'} onClick={filter('available')}>
        <span className="tile-name">
          <Shape kind="ok" /> Available
        </span>
        <span className="tile-figure">{formatCount(available)}</span>
      </button>
      <button type="button" className="tile" aria-pressed={status === 'logged_out'} onClick={filter('logged_out')}>
        <span className="tile-name">
          <Shape kind="off" /> Logged out
        </span>
        <span className="tile-figure">{formatCount(total - available)}</span>
      </button>
      <div className="tile">
        <span className="tile-name">Logins, last 5 min</span>
        <span className="tile-figure">{formatCount(logins)}</span>
      </div>
      <div className="tile">
        <span className="tile-name">Logouts, last 5 min</span>
        <span className="tile-figure">{formatCount(logouts)}</span>
      </div>
    </div>
  );
}
