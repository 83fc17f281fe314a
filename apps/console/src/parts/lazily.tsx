import { createElement, useEffect, useReducer, useState, type ComponentType, type ReactNode } from 'react';
import { Failure, Skeleton } from './states';

/** A component whose code is fetched when it is first shown, or before. */
export interface LazyComponent<Props> {
  (props: Props): ReactNode;
  /** Fetches the code, as the router does for a link that is pointed at. Never rejects: what could not be fetched says so when it is shown. */
  readonly preload: () => Promise<void>;
}

/**
 * Makes a component of code that is fetched separately. Where it cannot be fetched, that is said in its place and tried again on request and
 * when the browser is online again; React's own `lazy` would take the whole page down, and for good.
 *
 * @param what it is, as the beginning of a sentence: `The chart`
 * @param load fetches it; called again after a failure
 * @param waiting what stands there meanwhile
 * @param around what a failure is shown in
 */
export function lazily<Props extends object>(
  what: string,
  load: () => Promise<ComponentType<Props>>,
  waiting: ReactNode = <Skeleton />,
  around: (failure: ReactNode) => ReactNode = (failure) => failure,
): LazyComponent<Props> {
  let loaded: ComponentType<Props> | undefined;
  let loading: Promise<void> | undefined;
  const preload = (): Promise<void> =>
    (loading ??= load()
      .then(
        (component) => void (loaded = component),
        () => undefined,
      )
      .finally(() => (loading = undefined)));

  function Lazy(props: Props): ReactNode {
    const [failed, setFailed] = useState(false);
    const [, showIt] = useReducer((count: number) => count + 1, 0);
    const fetchIt = (): void => {
      if (loaded) return;
      setFailed(false);
      void preload().then(() => (loaded ? showIt() : setFailed(true)));
    };
    useEffect(() => {
      fetchIt();
      window.addEventListener('online', fetchIt);
      return () => window.removeEventListener('online', fetchIt);
    }, []);
    if (loaded) return createElement(loaded, props);
    return failed ? around(<Failure error={NOT_FETCHED} what={what} again={fetchIt} />) : waiting;
  }
  return Object.assign(Lazy, { preload });
}

const NOT_FETCHED = new Error(
  'Rollcall cannot be reached, or was updated since this page was opened; then reload it, which signs you out.',
);
