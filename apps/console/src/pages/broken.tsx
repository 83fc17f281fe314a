import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { Page } from '../parts/page';

/** Shows the error of a page that has failed by a fault of the console itself, in its place. */
export function Broken({ error, reset }: { readonly error: unknown; readonly reset: () => void }): ReactNode {
  return (
    <Page title="Something is wrong here">
      <p className="lead">
        This page of the console has failed, by a fault of its own: {String(error)}. <Link to="/">Go to the overview</Link>.
      </p>
      <button type="button" className="button" onClick={reset}>
        Try again
      </button>
    </Page>
  );
}
