import { useEffect, useMemo, useRef, useState } from 'react';
import { useStore } from '../store';
import { orderOf, type BoardFilter } from './board-order';
import type { LiveBoard } from './live-board';

/** The order is made anew at most this often, in milliseconds: rows that jump more often cannot be read. */
const REORDER_MS = 250;

export interface BoardOrder {
  readonly ids: readonly number[];
  /** Changes that came since the order is held. */
  readonly missed: number;
}

/** Returns the ids to show, in order: made anew as changes come, or held as it is. */
export function useBoardOrder(board: LiveBoard, filter: BoardFilter, hold: boolean): BoardOrder {
  const { status, type, q, sort } = filter;
  const { version, loaded, changes } = useStore(board.state);
  const fixed = useMemo(() => ({ status, type, q, sort }), [status, type, q, sort]);
  const [ids, setIds] = useState<readonly number[]>(() => orderOf(board.rows.values(), fixed));
  const made = useRef({ filter: fixed, version, at: performance.now() });
  const heldAt = useRef<number>(undefined);
  heldAt.current = hold ? (heldAt.current ?? changes) : undefined;

  useEffect(() => {
    const remake = (): void => {
      made.current = { filter: fixed, version: board.state.get().version, at: performance.now() };
      setIds(orderOf(board.rows.values(), fixed));
    };
    const { filter: before, version: seen, at } = made.current;
    if (before !== fixed || !loaded) {
      remake();
      return undefined;
    }
    if (hold || seen === version) return undefined;
    const timer = window.setTimeout(remake, Math.max(0, at + REORDER_MS - performance.now()));
    return () => window.clearTimeout(timer);
  }, [board, fixed, hold, loaded, version]);

  return { ids, missed: heldAt.current === undefined ? 0 : changes - heldAt.current };
}
