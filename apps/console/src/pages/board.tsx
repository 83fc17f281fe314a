import { useCallback, useEffect, useRef, type ReactNode } from 'react';
import { getRouteApi } from '@tanstack/react-router';
import { isRateLimited } from '../api/queries';
import { AgentList } from '../board/agent-list';
import { AvailableChart, type Span } from '../board/available-chart';
import { BoardTiles } from '../board/board-tiles';
import { JustChanged } from '../board/just-changed';
import { useBoardOrder } from '../board/use-board-order';
import { Wall } from '../board/wall';
import { FilterSheet } from '../parts/filter-sheet';
import { LineBadge, LineBanner, useIsLive } from '../parts/line';
import { useKeys } from '../parts/keyboard';
import { Page } from '../parts/page';
import { TypedInput } from '../parts/typed-input';
import { Empty, Failure, RateLimited, Skeleton } from '../parts/states';
import { liveBoard } from '../session/board';
import { useStore } from '../store';
import { formatCount } from '../text/numbers';

const route = getRouteApi('/board');

/** Shows who is available, and since when: live. */
export function BoardPage(): ReactNode {
  const board = liveBoard();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const line = useStore(board.line);
  const { loaded, total } = useStore(board.state);
  const live = useIsLive(board);
  const hold = search.hold === '1';
  const sort = search.sort ?? 'changed';
  const { ids, missed } = useBoardOrder(board, { ...search, sort }, hold);
  const set = (change: Partial<typeof search>): void => {
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  };
  const chooseSpan = useCallback(
    (span: Span) => void navigate({ search: (before) => ({ ...before, span }), replace: true }),
    [navigate],
  );
  const isWall = search.view === 'wall';
  useKeys({ p: () => set({ hold: hold ? undefined : '1' }) });
  useWakeLock(isWall);

  if (isWall) return <Wall board={board} ids={ids} live={live} onLeave={() => set({ view: undefined })} />;
  const filtered = search.status !== undefined || search.type !== undefined || search.q !== undefined;
  return (
    <Page
      title="Board"
      beside={<LineBadge board={board} />}
      aside={
        <button type="button" className="button" onClick={() => set({ view: 'wall' })}>
          Wall view
        </button>
      }
    >
      <LineBanner board={board} />
      {line.kind === 'failed' &&
        (isRateLimited(line.failure) ? (
          <RateLimited failure={line.failure} since={line.at} />
        ) : (
          <Failure error={line.failure} what="The agents" again={() => board.retry()} />
        ))}
      <BoardTiles board={board} live={live} status={search.status} onStatus={(status) => set({ status })} />
      <AvailableChart board={board} span={search.span ?? '1h'} onSpan={chooseSpan} />
      <div className="board-columns">
        <section className="card flush" aria-label="Agents">
          <div className="filters">
            <SearchField value={search.q ?? ''} onChange={(q) => set({ q: q === '' ? undefined : q })} />
            <FilterSheet used={[search.type, search.sort].filter((one) => one !== undefined).length}>
              <Choice
                label="Type"
                value={search.type ?? ''}
                options={[
                  ['', 'All types'],
                  ['local', 'Local'],
                  ['remote', 'Remote'],
                ]}
                onChange={(type) => set({ type: type === '' ? undefined : (type as 'local' | 'remote') })}
              />
              <Choice
                label="Order"
                value={sort}
                options={[
                  ['changed', 'Changed last'],
                  ['longest', 'Longest in status'],
                  ['name', 'Name'],
                ]}
                onChange={(next) => set({ sort: next as typeof sort })}
              />
            </FilterSheet>
            <button type="button" className="button" aria-pressed={hold} onClick={() => set({ hold: hold ? undefined : '1' })}>
              {hold ? 'Held ' : 'Hold'}
              {missed > 0 && <span className="badge">{formatCount(missed)}</span>}
            </button>
            <span className="muted figure count" data-testid="count">
              {formatCount(ids.length)} of {formatCount(total)}
            </span>
          </div>
          {!loaded && ids.length === 0 && line.kind !== 'failed' && <Skeleton rows={10} />}
          {loaded && total === 0 && (
            <Empty>No agents yet. They appear as soon as telemetry names them, or the API makes them.</Empty>
          )}
          {loaded && total > 0 && ids.length === 0 && (
            <Empty
              action={
                filtered && (
                  <button
                    type="button"
                    className="button"
                    onClick={() => set({ status: undefined, type: undefined, q: undefined })}
                  >
                    Clear filters
                  </button>
                )
              }
            >
              No agent matches.
            </Empty>
          )}
          {ids.length > 0 && <AgentList board={board} ids={ids} live={live} />}
        </section>
        <JustChanged board={board} />
      </div>
    </Page>
  );
}

function SearchField({ value, onChange }: { readonly value: string; readonly onChange: (value: string) => void }): ReactNode {
  return (
    <TypedInput
      type="search"
      data-search
      className="search"
      aria-label="Search by name, number or id"
      placeholder="Search by name, number or id"
      value={value}
      onText={onChange}
      onKeyDown={(event) => {
        if (event.key === 'Escape') event.currentTarget.blur();
      }}
    />
  );
}

function Choice({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [string, string])[];
  readonly onChange: (value: string) => void;
}): ReactNode {
  return (
    <select aria-label={label} value={value} onChange={(event) => onChange(event.target.value)}>
      {options.map(([key, word]) => (
        <option key={key} value={key}>
          {word}
        </option>
      ))}
    </select>
  );
}

/** Keeps the screen on while it hangs on a wall; browsers without it go on without. */
function useWakeLock(wanted: boolean): void {
  const lock = useRef<WakeLockSentinel>(undefined);
  useEffect(() => {
    if (!wanted || !('wakeLock' in navigator)) return undefined;
    const take = (): void => {
      if (document.hidden) return;
      navigator.wakeLock.request('screen').then(
        (taken) => (lock.current = taken),
        () => undefined, // the system says no, to save its battery
      );
    };
    take();
    document.addEventListener('visibilitychange', take);
    return () => {
      document.removeEventListener('visibilitychange', take);
      void lock.current?.release();
    };
  }, [wanted]);
}
