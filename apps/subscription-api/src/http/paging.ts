import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { integerParam } from './query-params.js';

const MAX_PAGE = 1_000_000;
const MAX_PER_PAGE = 1000;

/** `page` and `per_page` of every list: contract §1. */
export const pagingSchema = z.object({
  page: integerParam(1, MAX_PAGE).default(1).meta({ description: 'From 1' }),
  per_page: integerParam(1, MAX_PER_PAGE).default(100).meta({ description: 'Default 100' }),
});

/** The same, where no other key is taken. */
export const strictPagingSchema = z.strictObject(pagingSchema.shape);

export type Paging = z.output<typeof pagingSchema>;

/** Converts a page into rows to skip and to take. */
export function rangeOf({ page, per_page }: Paging): { readonly skip: number; readonly take: number } {
  return { skip: (page - 1) * per_page, take: per_page };
}

/** The header that says where the next page begins, of lists that go back with `before`. */
export const NEXT_CURSOR = 'x-next-cursor';
/** The same as it is documented. */
export const NEXT_CURSOR_HEADER = {
  'X-Next-Cursor': { description: '`before` of the next page; absent at the end', schema: { type: 'string' as const } },
};

/**
 * Cuts a page from rows (newest first, read with one more than a page holds), and says in a header where the next page begins.
 *
 * @param size rows of a page
 */
export function answerPage<Row extends { readonly id: number }>(found: readonly Row[], size: number, reply: FastifyReply): Row[] {
  const page = found.slice(0, size);
  if (found.length > size) reply.header(NEXT_CURSOR, String(page.at(-1)!.id));
  return page;
}
