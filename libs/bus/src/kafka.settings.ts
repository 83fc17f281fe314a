import type { Logger, Settings, SettingName } from '#runtime';
import type { Bus } from './bus.js';
import { createKafkaBus } from './kafka.bus.js';
import type { KafkaBusOptions } from './kafka.client.js';
import { SECURITY_SETTINGS, securityOf } from './kafka.security.js';

/** Settings of the bus on Kafka, beside KAFKA_BROKERS: contract §8. */
export const KAFKA_SETTINGS = [
  'KAFKA_TOPIC_PARTITIONS',
  'KAFKA_PREFIX',
  ...SECURITY_SETTINGS,
] as const satisfies readonly SettingName[];

export type KafkaSettings = Pick<Settings, (typeof KAFKA_SETTINGS)[number]> & { readonly KAFKA_BROKERS: readonly string[] };

/** Makes the bus of a service that is set up on Kafka. @param service its name, by which the broker knows it */
export function kafkaBusOf(settings: KafkaSettings, service: string, logger: Logger): Bus {
  const security = securityOf(settings);
  if (!security.ssl && (settings.KAFKA_SASL_MECHANISM === 'plain' || settings.KAFKA_SASL_MECHANISM === 'oauthbearer'))
    logger.warn({ mechanism: settings.KAFKA_SASL_MECHANISM, remedy: 'set KAFKA_SSL=true' }, 'bus.secret_in_clear');
  return createKafkaBus(kafkaOptionsOf(settings, service, logger));
}

/** Returns how Kafka is reached by these settings. @param service its name, by which the broker knows it */
export function kafkaOptionsOf(settings: KafkaSettings, service: string, logger: Logger): KafkaBusOptions {
  return {
    brokers: [...settings.KAFKA_BROKERS],
    clientId: `rollcall-${service}`,
    partitions: settings.KAFKA_TOPIC_PARTITIONS,
    prefix: settings.KAFKA_PREFIX,
    security: securityOf(settings),
    logger,
  };
}
