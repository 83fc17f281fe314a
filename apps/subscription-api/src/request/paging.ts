import { z } from 'zod';

const MAX_PAGE = 1_000_000;
const MAX_PER_PAGE = 1000;

/** A whole number out of a query string. */
export function integerParam(minimum: number, maximum: number) {
  const message = `must be a whole number from ${minimum} to ${maximum}`;
  return z
    .string({ error: message })
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, message)
    .meta({ type: 'integer', minimum, maximum });
}

/** `page` and `per_page` of every list: contract §1. */
export const pagingSchema = z.object({
  page: integerParam(1, MAX_PAGE).default(1).meta({ description: 'From 1' }),
  per_page: integerParam(1, MAX_PER_PAGE).default(100).meta({ description: 'Default 100' }),
});

/** The same, where no other key is taken. */
export const strictPagingSchema = z.strictObject(pagingSchema.shape);

export type Paging = z.output<typeof pagingSchema>;

/** Rows to skip and to take. */
export function rangeOf({ page, per_page }: Paging): { readonly skip: number; readonly take: number } {
  return { skip: (page - 1) * per_page, take: per_page };
}
