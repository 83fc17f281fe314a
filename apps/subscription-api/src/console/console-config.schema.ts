import { z } from 'zod';
import { ACCESS_LEVELS, type AccessLevel } from '#auth';

/** What the console offers somebody who is only looking around. */
export interface Demo {
  /** Shown with their secrets, to whoever asks. */
  readonly applications: readonly { readonly app_id: string; readonly secret: string; readonly access: AccessLevel }[];
}

export const NO_DEMO: Demo = { applications: [] };
/** Token of the demo. */
export const DEMO = Symbol('demo');

/** What the console has to know before anybody has signed in. */
export const consoleConfigSchema = z
  .object({
    version: z.string().meta({ example: '0.1.0' }),
    issuer: z
      .object({
        issuer: z.string().meta({ example: 'https://id.example.com' }),
        audience: z.string().meta({ example: 'rollcall' }),
        client_id: z.string().nullable().meta({ description: 'What the issuer knows the console by; null: it does not' }),
        authorization_endpoint: z.string().nullable().meta({ example: 'https://id.example.com/authorize' }),
        token_endpoint: z.string().nullable().meta({ example: 'https://id.example.com/token' }),
      })
      .nullable()
      .meta({ description: 'Who issues the tokens; null: this server, at `/oauth/token`' }),
    demo: z
      .array(z.object({ app_id: z.string(), secret: z.string(), access: z.enum(ACCESS_LEVELS) }))
      .meta({ description: 'The applications of the demo; empty everywhere else' }),
    playground: z.boolean().meta({ description: 'Whether agents can be played here' }),
  })
  .meta({ id: 'ConsoleConfig' });

export type ConsoleConfig = z.output<typeof consoleConfigSchema>;
