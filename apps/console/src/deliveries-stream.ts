import { useEffect, useMemo, useState } from 'react';
import type { InfiniteData, QueryClient } from '@tanstack/react-query';
import { useQueryClient } from '@tanstack/react-query';
import { deliveriesQuery, type DeliveryFilter, type DeliveryPage } from './api/queries';
import { followStream } from './api/event-stream';
import { ofClient } from './api/http';
import type { Delivery, DeliveryStatus } from './api/types';

interface Hint {
  readonly delivery_id: string;
  readonly status: DeliveryStatus;
  readonly attempt: number;
}

/**
 * Follows the deliveries of a list: those that it shows change in place; of others it is counted how many there are, so that
 * nothing moves under the reader.
 */
export function useDeliveryHints(filter: DeliveryFilter): { readonly news: number; readonly seen: () => void } {
  const queryClient = useQueryClient();
  const [unseen, setUnseen] = useState<ReadonlySet<string>>(new Set());
  const key = JSON.stringify(filter);
  const fixed = useMemo(() => JSON.parse(key) as DeliveryFilter, [key]);
  useEffect(() => {
    setUnseen(new Set());
    const end = new AbortController();
    void followStream(
      {
        path: ofClient('/delivery/stream'),
        query: { ...fixed },
        onLine: () => undefined,
        onDown: () => undefined,
        onRefused: () => undefined, // the list is still read, by hand
        onEvent: ({ event, data }) => {
          if (event !== 'delivery') return;
          const hint = data as Hint;
          if (!applyHint(queryClient, fixed, hint)) {
            setUnseen((before) => (before.has(hint.delivery_id) ? before : new Set(before).add(hint.delivery_id)));
          }
        },
      },
      end.signal,
    );
    return () => end.abort();
  }, [fixed, queryClient]);
  return { news: unseen.size, seen: () => setUnseen(new Set()) };
}

/** @returns whether the list has the delivery */
function applyHint(queryClient: QueryClient, filter: DeliveryFilter, { delivery_id: id, status, attempt }: Hint): boolean {
  const { queryKey } = deliveriesQuery(filter);
  const data = queryClient.getQueryData<InfiniteData<DeliveryPage>>(queryKey);
  if (!data?.pages.some(({ deliveries }) => deliveries.some((delivery) => delivery.id === id))) return false;
  const change = (delivery: Delivery): Delivery =>
    delivery.id === id ? { ...delivery, status, attempts_count: Math.max(attempt, delivery.attempts_count) } : delivery;
  const pages = data.pages.map((page) => ({ ...page, deliveries: page.deliveries.map(change) }));
  queryClient.setQueryData(queryKey, { ...data, pages });
  return true;
}
