import { useEffect, useMemo, useState } from 'react';
import type { InfiniteData, QueryClient } from '@tanstack/react-query';
import { useQueryClient } from '@tanstack/react-query';
import { deliveriesQuery, deliveryFilterQuery, type DeliveryFilter, type DeliveryPage } from './api/queries';
import { followStream } from './api/event-stream';
import { ofClient } from './api/http';
import type { Delivery, DeliveryHint } from './api/types';

/**
 * Follows the deliveries of a list: those that it shows change in place; of others it is counted how many there are, so that
 * nothing moves under the reader.
 *
 * @returns how many are new, and whether the line was down, so that there may be more
 */
export function useDeliveryHints(filter: DeliveryFilter): {
  readonly news: number;
  readonly missed: boolean;
  readonly seen: () => void;
} {
  const queryClient = useQueryClient();
  const [missed, setMissed] = useState(false);
  const [unseen, setUnseen] = useState<ReadonlySet<string>>(new Set());
  const key = JSON.stringify(filter);
  const fixed = useMemo(() => JSON.parse(key) as DeliveryFilter, [key]);
  useEffect(() => {
    setUnseen(new Set());
    setMissed(false);
    let isDown = false;
    const end = new AbortController();
    void followStream(
      {
        path: ofClient('/delivery/stream'),
        query: deliveryFilterQuery(fixed),
        onLine: () => {
          if (isDown) setMissed(true); // what came meanwhile is not told again
          isDown = false;
        },
        onDown: () => {
          isDown = true;
        },
        onRefused: () => undefined, // the list is still read, by hand
        onEvent: ({ event, data }) => {
          if (event !== 'delivery') return;
          const hint = data as DeliveryHint;
          if (!applyHint(queryClient, fixed, hint)) {
            setUnseen((before) => (before.has(hint.delivery_id) ? before : new Set(before).add(hint.delivery_id)));
          }
        },
      },
      end.signal,
    );
    return () => end.abort();
  }, [fixed, queryClient]);
  const seen = (): void => {
    setUnseen(new Set());
    setMissed(false);
  };
  return { news: unseen.size, missed, seen };
}

/** @returns whether the list has the delivery */
function applyHint(
  queryClient: QueryClient,
  filter: DeliveryFilter,
  { delivery_id: id, status, attempt }: DeliveryHint,
): boolean {
  const { queryKey } = deliveriesQuery(filter);
  const data = queryClient.getQueryData<InfiniteData<DeliveryPage>>(queryKey);
  if (!data?.pages.some(({ deliveries }) => deliveries.some((delivery) => delivery.id === id))) return false;
  const change = (delivery: Delivery): Delivery =>
    delivery.id === id ? { ...delivery, status, attempts_count: Math.max(attempt ?? 0, delivery.attempts_count) } : delivery;
  const pages = data.pages.map((page) => ({ ...page, deliveries: page.deliveries.map(change) }));
  queryClient.setQueryData(queryKey, { ...data, pages });
  return true;
}
