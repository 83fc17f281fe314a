export const METHODS = ['get', 'post', 'put', 'delete'] as const;
/** What operations are called by. */
export type Method = (typeof METHODS)[number];
