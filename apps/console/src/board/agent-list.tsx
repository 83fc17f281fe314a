import { memo, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { Elapsed, Moment } from '../parts/moment';
import { stepOf } from '../parts/keyboard';
import { Status } from '../parts/status';
import { AGENT_STATUS } from '../text/words';
import type { AgentRow } from './agent-row';
import type { LiveBoard } from './live-board';

const ROW = 36;
/** On a phone a row has two lines. */
const TALL_ROW = 56;
const PHONE = '(max-width: 640px)';
const OVERSCAN = 8;

/** Shows the agents, however many: only those in sight are drawn. One tab stop; the arrow keys move between rows. */
export function AgentList({
  board,
  ids,
  live,
}: {
  readonly board: LiveBoard;
  readonly ids: readonly number[];
  readonly live: boolean;
}): ReactNode {
  const list = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  const [active, setActive] = useState(0);
  const moved = useRef(false);
  const isPhone = useMedia(PHONE);
  useLayoutEffect(() => {
    const measure = (): void => setMargin((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);
  const virtualizer = useWindowVirtualizer({
    count: ids.length,
    estimateSize: () => (isPhone ? TALL_ROW : ROW),
    overscan: OVERSCAN,
    scrollMargin: margin,
    scrollPaddingStart: 120,
    scrollPaddingEnd: 80,
  });
  useEffect(() => virtualizer.measure(), [isPhone, virtualizer]);
  const current = Math.min(active, ids.length - 1);
  useEffect(() => {
    if (!moved.current) return;
    moved.current = false;
    list.current?.querySelector<HTMLElement>(`[data-index="${current}"] [data-row]`)?.focus({ preventScroll: true });
  });

  const onKeyDown = (event: KeyboardEvent): void => {
    const step = stepOf(event.key);
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = Math.min(ids.length - 1, Math.max(0, current + step));
    virtualizer.scrollToIndex(next);
    moved.current = true;
    setActive(next);
  };

  return (
    <div role="table" aria-label="Agents" aria-rowcount={ids.length + 1} className="agents" onKeyDown={onKeyDown}>
      <div role="rowgroup" className="agents-head">
        <div role="row" aria-rowindex={1} className="agent-row head">
          <span role="columnheader">Status</span>
          <span role="columnheader">Agent</span>
          <span role="columnheader">Type</span>
          <span role="columnheader" className="right">
            In status
          </span>
          <span role="columnheader" className="right">
            Since
          </span>
          <span role="columnheader">Source</span>
        </div>
      </div>
      <div role="rowgroup" ref={list} className="agents-body" style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map(({ index, start, size }) => {
          const row = board.rows.get(ids[index] ?? -1);
          return (
            row && (
              <Row
                key={row.id}
                row={row}
                index={index}
                top={start - margin}
                height={size}
                isStop={index === current}
                live={live}
                onFocus={setActive}
              />
            )
          );
        })}
      </div>
    </div>
  );
}

const Row = memo(function Row({
  row,
  index,
  top,
  height,
  isStop,
  live,
  onFocus,
}: {
  readonly row: AgentRow;
  readonly index: number;
  readonly top: number;
  readonly height: number;
  readonly isStop: boolean;
  readonly live: boolean;
  readonly onFocus: (index: number) => void;
}): ReactNode {
  const { word, kind } = AGENT_STATUS[row.status];
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      data-index={index}
      data-agent={row.id}
      className="agent-row"
      style={{ height, transform: `translateY(${top}px)` }}
    >
      {row.fresh && <span key={row.sequence} className="flash" aria-hidden="true" />}
      <span role="cell" className={live ? undefined : 'stale'}>
        <Status kind={kind} word={word} />
      </span>
      <span role="cell" className="agent-name">
        <Link
          to="/agents/$type/$id"
          params={{ type: row.type, id: String(row.id) }}
          data-row
          tabIndex={isStop ? 0 : -1}
          onFocus={() => onFocus(index)}
          preload={false}
        >
          <bdi>{row.name}</bdi>
        </Link>
        <span className="muted"> #{row.id}</span>
      </span>
      <span role="cell" className="muted agent-type">
        {row.type}
      </span>
      <span role="cell" className="right agent-elapsed">
        <Elapsed since={row.since} running={live} />
      </span>
      <span role="cell" className="right muted agent-since">
        {row.since === undefined ? '–' : <Moment at={new Date(row.since).toISOString()} />}
      </span>
      <span role="cell" className="muted agent-source">
        {row.source ?? '–'}
      </span>
    </div>
  );
});

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => window.matchMedia(query).matches);
  useEffect(() => {
    const media = window.matchMedia(query);
    const change = (): void => setMatches(media.matches);
    media.addEventListener('change', change);
    return () => media.removeEventListener('change', change);
  }, [query]);
  return matches;
}
