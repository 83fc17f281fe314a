import { useEffect, useState, type ReactNode } from 'react';
import { QueryClientProvider, type QueryClient } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { configQuery, createQueryClient } from './api/queries';
import { SignIn } from './pages/sign-in';
import { Toasts } from './parts/toasts';
import { createConsoleRouter, fetchTheRest } from './router';
import { session } from './session/session';
import { useStore } from './store';

/** What is shown first comes first, in milliseconds. */
const REST_AFTER_MS = 1000;

/** Shows the whole console: what is asked for in the address, or the way in. */
export function App(): ReactNode {
  const [queryClient] = useState(createQueryClient);
  const [router] = useState(createConsoleRouter);
  const state = useStore(session);
  useEffect(() => session.subscribe(() => forgetWhenOut(queryClient)), [queryClient]);
  useEffect(() => {
    const timer = window.setTimeout(fetchTheRest, REST_AFTER_MS);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <QueryClientProvider client={queryClient}>
      {state.kind === 'out' ? <SignIn ended={state.ended} /> : <RouterProvider key={state.client} router={router} />}
      <Toasts />
    </QueryClientProvider>
  );
}

/** What one has read is not left for the next to see. */
function forgetWhenOut(queryClient: QueryClient): void {
  const [config] = configQuery.queryKey;
  if (session.get().kind === 'out') queryClient.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== config });
}
