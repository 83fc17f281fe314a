import { useEffect, useState, type ReactNode } from 'react';
import type { LiveBoard } from '../board/live-board';
import { useNow } from '../clock';
import { useStore } from '../store';
import { formatMoment } from '../text/time';

/** Figures lose their colour when the line has been down for this long, in milliseconds. */
const STALE_MS = 5000;
const BANNER_MS = 60_000;

/** Tells whether what is shown is as it is now: false once the line has been down for some seconds. */
export function useIsLive(board: LiveBoard): boolean {
  const line = useStore(board.line);
  const now = useNow(line.kind === 'down');
  if (line.kind === 'failed') return false;
  return line.kind !== 'down' || now - line.since < STALE_MS;
}

/** Shows whether the board follows what happens, in words. */
export function LineBadge({ board }: { readonly board: LiveBoard }): ReactNode {
  const line = useStore(board.line);
  const now = useNow(line.kind === 'down');
  const { resetAt } = useStore(board.state);
  const [kind, word] =
    line.kind === 'live'
      ? ['ok', 'Live']
      : line.kind === 'connecting'
        ? ['wait', 'Connecting …']
        : line.kind === 'failed'
          ? ['bad', 'Not live']
          : now - line.since < STALE_MS
            ? ['warn', 'Reconnecting …']
            : ['bad', `Not live since ${formatMoment(new Date(line.since), new Date(), 'minute')}`];
  return (
    <span className={`pill ${kind}`} role="status">
      <span className={`shape ${kind}`} aria-hidden="true" />
      {word}
      {resetAt !== undefined && line.kind === 'live' && (
        <span className="muted"> · read anew at {formatMoment(new Date(resetAt), new Date(), 'minute')}</span>
      )}
    </span>
  );
}

/** Says across the page that the board stands still, once that has lasted. */
export function LineBanner({ board }: { readonly board: LiveBoard }): ReactNode {
  const line = useStore(board.line);
  const [isLong, setLong] = useState(false);
  const since = line.kind === 'down' ? line.since : undefined;
  useEffect(() => {
    setLong(false);
    if (since === undefined) return undefined;
    const timer = window.setTimeout(() => setLong(true), Math.max(0, since + BANNER_MS - Date.now()));
    return () => window.clearTimeout(timer);
  }, [since]);
  if (!isLong || since === undefined) return null;
  return (
    <p className="banner" role="alert">
      Rollcall has not been reached since {formatMoment(new Date(since), new Date(), 'minute')}. What you see is from then; it
      goes on by itself.
    </p>
  );
}
