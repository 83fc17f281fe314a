import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { Page } from '../parts/page';

export function NotFound(): ReactNode {
  return (
    <Page title="Nothing here">
      <p className="lead">
        There is no such page. <Link to="/">Go to the overview</Link>.
      </p>
    </Page>
  );
}
