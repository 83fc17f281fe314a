import type { KafkaConfig } from 'kafkajs';
import type { Settings } from '#runtime';
import { bearerAuthentication } from './kafka.bearer.js';
import { BusToken } from './kafka.token.js';

/** How the broker is told from others, and we from others: TLS and SASL. Nothing of it is ever logged. */
export type KafkaSecurity = Pick<KafkaConfig, 'ssl' | 'sasl'>;

/** What {@link securityOf} goes by. */
export const SECURITY_SETTINGS = [
  'KAFKA_SSL',
  'KAFKA_SSL_CA',
  'KAFKA_SSL_CERT',
  'KAFKA_SSL_KEY',
  'KAFKA_SASL_MECHANISM',
  'KAFKA_SASL_USERNAME',
  'KAFKA_SASL_PASSWORD',
  'KAFKA_SASL_TOKEN_URL',
  'KAFKA_SASL_CLIENT_ID',
  'KAFKA_SASL_CLIENT_SECRET',
  'KAFKA_SASL_SCOPE',
] as const;

type SecuritySettings = Pick<Settings, (typeof SECURITY_SETTINGS)[number]>;

/** Returns the part of a client's configuration that says how it connects; settings that belong together were found to be there. */
export function securityOf(settings: SecuritySettings): KafkaSecurity {
  const sasl = saslOf(settings);
  return { ssl: tlsOf(settings), ...(sasl && { sasl }) };
}

/** The certificate is always looked at, and its host too. A CA or certificate that is given is never without effect. */
function tlsOf({ KAFKA_SSL, KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key }: SecuritySettings): KafkaConfig['ssl'] {
  if (ca === undefined && cert === undefined) return KAFKA_SSL;
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && key !== undefined && { cert, key }) };
}

function saslOf(settings: SecuritySettings): KafkaConfig['sasl'] {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username = '', KAFKA_SASL_PASSWORD: password = '' } = settings;
  if (mechanism === undefined) return undefined;
  if (mechanism !== 'oauthbearer') return { mechanism, username, password } as KafkaConfig['sasl'];
  return bearerAuthentication(
    new BusToken({
      url: settings.KAFKA_SASL_TOKEN_URL ?? '',
      clientId: settings.KAFKA_SASL_CLIENT_ID ?? '',
      clientSecret: settings.KAFKA_SASL_CLIENT_SECRET ?? '',
      scope: settings.KAFKA_SASL_SCOPE,
    }),
  );
}
