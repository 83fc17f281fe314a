/** Why a service cannot start, in words for the person who started it; printed alone, without a stack trace. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}
