import type { ReactNode } from 'react';
import { ApiFailure } from '../api/http';
import { Page } from './page';

/** Tells whether what was asked for is not there (any more). */
export function isGone(error: Error | null): boolean {
  return error instanceof ApiFailure && (error.status === 404 || error.status === 410);
}

/** Shows a message in the place of what was deleted. */
export function Gone({ title, children }: { readonly title: string; readonly children: ReactNode }): ReactNode {
  return (
    <Page title={title}>
      <p className="lead">{children}</p>
    </Page>
  );
}
