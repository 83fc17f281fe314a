import { memo, useEffect, useRef, useState, type ReactNode } from 'react';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { LineBadge, LineBanner } from '../parts/line';
import { Elapsed } from '../parts/moment';
import { Shape } from '../parts/status';
import { useStore } from '../store';
import { countOf, formatCount } from '../text/numbers';
import { AGENT_STATUS } from '../text/words';
import type { AgentRow } from './agent-row';
import type { LiveBoard } from './live-board';

const CELL = { width: 128, height: 56, gap: 8 };

/** Shows one cell an agent, for a screen on the wall. */
export function Wall({
  board,
  ids,
  live,
  onLeave,
}: {
  readonly board: LiveBoard;
  readonly ids: readonly number[];
  readonly live: boolean;
  readonly onLeave: () => void;
}): ReactNode {
  const grid = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(window.innerWidth);
  const { available, total } = useStore(board.state);
  useEffect(() => {
    document.title = 'Wall · Rollcall';
    document.documentElement.dataset['wall'] = '';
    const measure = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? window.innerWidth));
    if (grid.current) measure.observe(grid.current);
    return () => {
      delete document.documentElement.dataset['wall'];
      measure.disconnect();
    };
  }, []);
  const columns = Math.max(1, Math.floor((width + CELL.gap) / (CELL.width + CELL.gap)));
  const virtualizer = useWindowVirtualizer({
    count: Math.ceil(ids.length / columns),
    estimateSize: () => CELL.height + CELL.gap,
    overscan: 4,
  });
  return (
    <div className={live ? 'wall' : 'wall stale'}>
      <div className="page-head">
        <h1>
          {formatCount(available)} of {countOf(total, 'agent')} available
        </h1>
        <LineBadge board={board} />
        <div className="actions">
          <button type="button" className="button" onClick={onLeave}>
            Leave the wall view
          </button>
        </div>
      </div>
      <LineBanner board={board} />
      <div ref={grid} className="wall-grid" role="list" aria-label="Agents" style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map(({ index, start }) =>
          ids.slice(index * columns, (index + 1) * columns).map((id, column) => {
            const row = board.rows.get(id);
            const left = column * (CELL.width + CELL.gap);
            return row && <Cell key={id} row={row} left={left} top={start} live={live} />;
          }),
        )}
      </div>
    </div>
  );
}

const Cell = memo(function Cell({
  row,
  left,
  top,
  live,
}: {
  readonly row: AgentRow;
  readonly left: number;
  readonly top: number;
  readonly live: boolean;
}): ReactNode {
  const { kind, word } = AGENT_STATUS[row.status];
  return (
    <div role="listitem" className={`cell ${kind}`} style={{ transform: `translate(${left}px, ${top}px)` }}>
      {row.fresh && <span key={row.sequence} className="flash" aria-hidden="true" />}
      <span className="cell-name">
        <Shape kind={kind} />
        <span className="hidden">{word}</span>
        <bdi>{row.name}</bdi>
      </span>
      <span className="muted small">
        <Elapsed since={row.since} running={live} />
      </span>
    </div>
  );
});
