import { createPrivateKey, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { flag, isSecureUrl } from './setting-types.js';

/** How a broker is reached that asks who is there, and what names are used on it: contract §8. */

const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'] as const;

const mechanism = z
  .string()
  .trim()
  .toLowerCase()
  .pipe(z.enum(MECHANISMS, { error: ({ input }) => `"${String(input)}" is none of ${MECHANISMS.join(', ')}` }));

/** Environment files cannot hold line breaks: what stands for them there is read as one. Never said back: it may be a key. */
const pem = z.string().transform((text) => text.replaceAll('\\n', '\n').trim());

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const certificates = pem.refine(
  (text) => {
    const found = text.match(CERTIFICATE) ?? [];
    return found.length > 0 && found.every(isCertificate);
  },
  {
    error:
      'is no certificate in PEM: write the text from -----BEGIN CERTIFICATE----- on, or name the file that holds it in the setting of the same name with _FILE at its end',
  },
);

const privateKey = pem.refine((text) => keyOf(text) !== undefined, {
  error:
    'is no private key in PEM without a passphrase: write the text from -----BEGIN PRIVATE KEY----- on, or name the file that holds it in KAFKA_SSL_KEY_FILE',
});

const text = z.string().min(1);

export const kafkaSettings = {
  KAFKA_SSL: flag
    .default(false)
    .describe('Whether connections to the broker use TLS: true or false. A CA or a certificate implies true. Default false.'),
  KAFKA_SSL_CA: certificates
    .optional()
    .describe('CA certificates, in PEM, that may have issued the broker’s certificate. Unset: those that Node.js trusts.'),
  KAFKA_SSL_CERT: certificates
    .optional()
    .describe('Client certificate for the broker, in PEM, with its intermediate certificates; needs KAFKA_SSL_KEY.'),
  KAFKA_SSL_KEY: privateKey.optional().describe('The private key of KAFKA_SSL_CERT, in PEM.'),
  KAFKA_SASL_MECHANISM: mechanism
    .optional()
    .describe(
      'How to log in to the broker: plain, scram-sha-256 or scram-sha-512 (with KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD), or oauthbearer (with KAFKA_SASL_TOKEN_URL, KAFKA_SASL_CLIENT_ID and KAFKA_SASL_CLIENT_SECRET). Unset: no login.',
    ),
  KAFKA_SASL_USERNAME: text.optional().describe('User name for plain and scram.'),
  KAFKA_SASL_PASSWORD: text.optional().describe('Password of that user.'),
  KAFKA_SASL_TOKEN_URL: z
    .string()
    .refine(isSecureUrl, { error: 'must be an https URL (http on loopback only), such as https://login.example.com/oauth/token' })
    .optional()
    .describe('URL from which oauthbearer gets its tokens, with the grant client_credentials.'),
  KAFKA_SASL_CLIENT_ID: text.optional().describe('Id of the OAuth client that asks for these tokens.'),
  KAFKA_SASL_CLIENT_SECRET: text.optional().describe('Secret of that OAuth client.'),
  KAFKA_SASL_SCOPE: text.optional().describe('Scope of these tokens. Unset: none.'),
  KAFKA_PREFIX: z
    .string()
    .regex(/^[\w.-]{0,200}$/, { error: 'must be at most 200 of the characters a-z, A-Z, 0-9, ".", "_" and "-"' })
    .default('')
    .describe('Prefix of the name of every topic and consumer group, such as eu1. (with the dot). Default: none.'),
};

type Name = keyof typeof kafkaSettings;
type Values = { readonly [N in Name]?: z.output<(typeof kafkaSettings)[N]> };

/** Those that may stand in a file: secrets, and what is given out together with them. */
export const KAFKA_FILES = [
  'KAFKA_SSL_CA',
  'KAFKA_SSL_CERT',
  'KAFKA_SSL_KEY',
  'KAFKA_SASL_USERNAME',
  'KAFKA_SASL_PASSWORD',
  'KAFKA_SASL_CLIENT_ID',
  'KAFKA_SASL_CLIENT_SECRET',
] as const satisfies readonly Name[];

const OF_A_PASSWORD = ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'] as const;
const OF_A_TOKEN = ['KAFKA_SASL_TOKEN_URL', 'KAFKA_SASL_CLIENT_ID', 'KAFKA_SASL_CLIENT_SECRET'] as const;

/**
 * Finds what does not fit together of settings that are right each by itself.
 *
 * @param values as read
 * @param given the settings that are set, be they right or not
 * @returns a line for each problem, the setting first
 */
export function kafkaProblems(values: Values, given: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const need = (name: Name, because: string): void => {
    if (!given.has(name)) problems.push(`${name}: is required with ${because}`);
  };
  const { KAFKA_SSL_CERT: certificate, KAFKA_SSL_KEY: key, KAFKA_SASL_MECHANISM: chosen } = values;
  if (given.has('KAFKA_SSL_CERT')) need('KAFKA_SSL_KEY', 'KAFKA_SSL_CERT');
  if (given.has('KAFKA_SSL_KEY')) need('KAFKA_SSL_CERT', 'KAFKA_SSL_KEY');
  if (certificate !== undefined && key !== undefined && !isPair(certificate, key))
    problems.push('KAFKA_SSL_KEY: is not the key of the first certificate in KAFKA_SSL_CERT: give the two that belong together');
  if (chosen !== undefined) {
    for (const name of chosen === 'oauthbearer' ? OF_A_TOKEN : OF_A_PASSWORD) need(name, `KAFKA_SASL_MECHANISM=${chosen}`);
  } else {
    const orphan = [...OF_A_PASSWORD, ...OF_A_TOKEN, 'KAFKA_SASL_SCOPE'].find((name) => given.has(name));
    if (orphan !== undefined) need('KAFKA_SASL_MECHANISM', `${orphan}: write ${MECHANISMS.join(', ')}`);
  }
  return problems;
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).subject !== undefined;
  } catch {
    return false;
  }
}

function keyOf(block: string): ReturnType<typeof createPrivateKey> | undefined {
  try {
    return createPrivateKey(block);
  } catch {
    return undefined;
  }
}

function isPair(chain: string, key: string): boolean {
  const parsed = keyOf(key);
  return parsed !== undefined && new X509Certificate(chain.match(CERTIFICATE)![0]).checkPrivateKey(parsed);
}
