/** Why a service cannot start, in words for the person who started it; printed alone, without a stack trace. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}

/** The address that a process was to listen on. */
export interface ListenPlace {
  readonly host: string;
  readonly port: number;
  /** The setting that the port is from. */
  readonly setting: string;
}

/** Explains an error of `listen` in words that name the setting to change. */
export function listenError(error: unknown, { host, port, setting }: ListenPlace): Error {
  const { code } = error as NodeJS.ErrnoException;
  const words = code === undefined ? undefined : WORDS[code];
  if (!words) return error instanceof Error ? error : new Error(String(error));
  return new StartError(words({ host, port, setting }), { cause: error });
}

const noSuchHost = ({ host }: ListenPlace): string =>
  `HOST: "${host}" is no address of this machine: write one that is, such as 127.0.0.1, or 0.0.0.0 for all.`;

const WORDS: Readonly<Record<string, (place: ListenPlace) => string>> = {
  EADDRINUSE: ({ port, setting }) => `Port ${port} is taken: stop what uses it, or set ${setting} to another port.`,
  EACCES: ({ port, setting }) => `Port ${port} needs more rights than this process has: set ${setting} to one from 1024 up.`,
  EADDRNOTAVAIL: noSuchHost,
  ENOTFOUND: noSuchHost,
  EAI_AGAIN: noSuchHost,
  EINVAL: noSuchHost,
  EAFNOSUPPORT: noSuchHost,
  ENETUNREACH: noSuchHost,
};
