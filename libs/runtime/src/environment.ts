import { readFileSync } from 'node:fs';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What an environment says of one setting: its text, or nothing where it counts as unset, or what is wrong with it. */
export type Given =
  | { readonly text: string | undefined; readonly problem?: undefined }
  | {
      readonly problem: string;
      /** The variable that is wrong. */
      readonly variable: string;
    };

/**
 * What Kubernetes tells every pod of a Service named, say, `presence`, in a variable of our own setting's name:
 * `PRESENCE_PORT=tcp://10.96.0.12:3001`. It is no setting of ours.
 */
const SERVICE_LINK = /^(tcp|udp|sctp):\/\//i;
const LINKED_NAME = /_PORT$/;

/**
 * Looks a setting up. Empty values count as unset, and so does what Kubernetes injects under the same name: contract §8.
 *
 * @param orFile whether `<NAME>_FILE` may name a file that holds the value
 */
export function lookUp(env: Environment, name: string, orFile: boolean): Given {
  const text = valueOf(env, name);
  const variable = `${name}_FILE`;
  const file = orFile ? valueOf(env, variable) : undefined;
  if (file === undefined) return { text };
  if (text !== undefined) return { variable: name, problem: `is set, and ${variable} too: unset one of them` };
  return readValue(variable, file);
}

function valueOf(env: Environment, name: string): string | undefined {
  const text = env[name];
  if (text === undefined || text.trim() === '' || (LINKED_NAME.test(name) && SERVICE_LINK.test(text))) return undefined;
  return text;
}

function readValue(variable: string, file: string): Given {
  try {
    const text = readFileSync(file, 'utf8').replace(/[\r\n]+$/, '');
    return text.trim() === '' ? { variable, problem: `${file} is empty: write the value into it` } : { text };
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return { variable, problem: `${file} cannot be read (${code}): name a file that holds the value` };
  }
}
