import { useEffect, useState, type ReactNode } from 'react';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { createQueryClient } from './api/queries';
import { SignIn } from './pages/sign-in';
import { Toasts } from './parts/toasts';
import { createConsoleRouter } from './router';
import { session } from './session/session';
import { useStore } from './store';

/** The whole console: what is asked for in the address, or the way in. */
export function App(): ReactNode {
  const [queryClient] = useState(createQueryClient);
  const [router] = useState(createConsoleRouter);
  const state = useStore(session);
  // What one has read is not left for the next to see.
  useEffect(() => {
    if (state.kind === 'out') queryClient.clear();
  }, [state.kind, queryClient]);
  return (
    <QueryClientProvider client={queryClient}>
      {state.kind === 'out' ? <SignIn ended={state.ended} /> : <RouterProvider key={state.client} router={router} />}
      <Toasts />
    </QueryClientProvider>
  );
}
