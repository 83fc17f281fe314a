import { useEffect, useState, type ReactNode } from 'react';
import type { UseInfiniteQueryResult, UseQueryResult } from '@tanstack/react-query';
import { ApiFailure } from '../api/http';
import { isRateLimited } from '../api/queries';
import { useNow } from '../clock';

/** The states that every page has: contract of the design, so that none is forgotten. */

const SKELETON_AFTER_MS = 150;

/** Shows lines of the layout to come; not before a moment has passed, so that what is quick does not flicker. */
export function Skeleton({ rows = 6, height = 36 }: { readonly rows?: number; readonly height?: number }): ReactNode {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setShown(true), SKELETON_AFTER_MS);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {shown && Array.from({ length: rows }, (_, row) => <div key={row} className={height > 36 ? 'bone tall' : 'bone'} />)}
    </div>
  );
}

export function Empty({ children, action }: { readonly children: ReactNode; readonly action?: ReactNode }): ReactNode {
  return (
    <div className="empty">
      <p>{children}</p>
      {action}
    </div>
  );
}

/** Shows what failed, in the API's own words, and what can be done. */
export function Failure({
  error,
  what,
  again,
}: {
  readonly error: Error;
  readonly what: string;
  readonly again?: () => void;
}): ReactNode {
  if (error instanceof ApiFailure && error.code === 'app_access_type_deny') return <NoPermission />;
  return (
    <div className="failure" role="alert">
      <p>
        <strong>{what} could not be read.</strong> {error.message}
      </p>
      {again && (
        <button type="button" className="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function NoPermission(): ReactNode {
  return (
    <div className="empty">
      <p>
        This needs an application with access <code>all</code>.
      </p>
    </div>
  );
}

/** Shows that there were too many requests, and when it goes on. @param since when that was said, in milliseconds since the epoch */
export function RateLimited({ failure, since }: { readonly failure: ApiFailure; readonly since: number }): ReactNode {
  const now = useNow();
  const left = Math.max(1, Math.ceil((failure.retryAfter ?? 1) - (now - since) / 1000));
  return (
    <p className="notice" role="status">
      Too many requests. Going on in {left} s.
    </p>
  );
}

type AnyQuery = UseQueryResult<unknown> | UseInfiniteQueryResult<unknown>;

/**
 * Shows what a query has brought, or why it has not: a skeleton at first, what failed above what is still there, a countdown where
 * there were too many requests.
 */
export function Loaded<T>({
  query,
  what,
  skeleton,
  children,
}: {
  readonly query: AnyQuery & { readonly data: T | undefined };
  /** What is read, as the beginning of a sentence: `The deliveries`. */
  readonly what: string;
  readonly skeleton?: ReactNode;
  readonly children: (data: T) => ReactNode;
}): ReactNode {
  const { data, error, failureReason, failureCount } = query;
  const limited = isRateLimited(failureReason) ? failureReason : undefined;
  return (
    <>
      {limited && <RateLimited key={failureCount} failure={limited} since={Date.now()} />}
      {error && !limited && <Failure error={error} what={what} again={() => void query.refetch()} />}
      {data !== undefined ? children(data) : !error && (skeleton ?? <Skeleton />)}
    </>
  );
}
