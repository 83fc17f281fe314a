/** Advice for an error of a connection, by its code, in words that follow the error's own. */
const REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there (yet): check KAFKA_BROKERS',
  ENOTFOUND: 'check the host in KAFKA_BROKERS, and the broker’s advertised.listeners',
  EAI_AGAIN: 'check the host in KAFKA_BROKERS, and the broker’s advertised.listeners',
  SELF_SIGNED_CERT_IN_CHAIN: 'the broker’s certificate is of a CA that is not known: give it in KAFKA_SSL_CA',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the broker’s certificate is of no CA that is known: give it in KAFKA_SSL_CA',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the broker’s certificate is of a CA that is not known: give it in KAFKA_SSL_CA',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the broker’s certificate is of a CA that is not known: give it in KAFKA_SSL_CA',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificates in KAFKA_SSL_CA do not reach up to their root: add it',
  CERT_SIGNATURE_FAILURE: 'the broker’s certificate is not of the CA in KAFKA_SSL_CA: give the one that it comes from',
  CERT_HAS_EXPIRED: 'the broker’s certificate has expired: renew it there',
  CERT_NOT_YET_VALID: 'the broker’s certificate is not valid yet: check the clocks',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the broker’s certificate is for another host: check KAFKA_BROKERS, and the broker’s advertised.listeners',
};

/** The same for what has no code, or one that says less, by what is said. */
const REMEDIES_BY_MESSAGE: readonly (readonly [RegExp, string])[] = [
  [
    /before secure TLS connection|wrong version number|packet length too long|http request/i,
    'that port does not speak TLS: check KAFKA_BROKERS and KAFKA_SSL',
  ],
  [/alert certificate expired/i, 'the broker says that KAFKA_SSL_CERT has expired: renew it'],
  [
    /alert (unknown ca|bad certificate|certificate unknown|unsupported certificate|certificate revoked|access denied)/i,
    'the broker does not take KAFKA_SSL_CERT: check which CA it wants',
  ],
  [
    /alert (number 116|certificate required)|certificate required/i,
    'the broker asks for a certificate: give KAFKA_SSL_CERT and KAFKA_SSL_KEY',
  ],
  [/alert handshake failure/i, 'the broker takes none of what we offer for TLS; it may ask for a certificate: KAFKA_SSL_CERT'],
  [
    /mechanism is not supported|not support the requested SASL mechanism/i,
    'check KAFKA_SASL_MECHANISM, and which ones the broker has switched on for this port',
  ],
  [/SASL (PLAIN|SCRAM [\w-]+) authentication failed/i, 'check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD'],
  [/SASL OAUTHBEARER authentication failed: no token/i, ''],
  [
    /SASL OAUTHBEARER authentication failed/i,
    'the broker does not take the token: check KAFKA_SASL_SCOPE, and which issuer and audience it expects',
  ],
  [/not authorized|authorization failed/i, 'grant it to the user that we connect as'],
  [
    /closed connection|disconnected|ILLEGAL_SASL_STATE|Request is not valid given the current SASL state/i,
    'the broker ends the connection; it may ask for TLS or SASL: check KAFKA_SSL and KAFKA_SASL_MECHANISM',
  ],
];

/** Says in one line why the broker cannot be used, and what to do. Nothing secret is in it. */
export function explainKafkaError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Retries wrap what they failed for; the innermost that says something is the cause.
  let remedy: string | undefined;
  for (let cause: unknown = error; cause instanceof Error && remedy === undefined; cause = cause.cause) remedy = remedyOf(cause);
  const line = error.message.replace(/\s*\n\s*/g, ' ').trim();
  return remedy ? `${line}: ${remedy}` : line;
}

function remedyOf(error: Error): string | undefined {
  const { code } = error as Error & { readonly code?: unknown };
  const byMessage = REMEDIES_BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1];
  return (typeof code === 'string' ? REMEDIES[code] : undefined) ?? byMessage;
}
