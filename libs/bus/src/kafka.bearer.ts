import kafkajs, { type Mechanism, type SaslAuthenticationRequest, type SaslAuthenticationResponse } from 'kafkajs';
import type { BusToken } from './kafka.token.js';

/** Node finds the names of what kafkajs exports by reading it, and so not those that it spreads into its exports. */
const { KafkaJSNonRetriableError } = kafkajs;

/** Of the bytes that follow. */
const LENGTH_BYTES = 4;

/**
 * Makes the mechanism of SASL OAUTHBEARER (RFC 7628). A broker refuses a token by an answer that says why, where one that it takes has
 * an empty one; kafkajs 2.2.4 reads neither, and goes on as if it was let in.
 */
export function bearerAuthentication(token: BusToken): Mechanism {
  return {
    mechanism: 'oauthbearer',
    authenticationProvider: ({ saslAuthenticate }) => ({
      authenticate: async () => {
        const answer = await saslAuthenticate({ request: requestOf(await token.get()), response: ANSWER });
        if (answer) throw new KafkaJSNonRetriableError(`SASL OAUTHBEARER authentication failed: ${answer}`);
      },
    }),
  };
}

function requestOf(token: string): SaslAuthenticationRequest {
  const message = Buffer.from(`n,,\u0001auth=Bearer ${token}\u0001\u0001`);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeInt32BE(message.length);
  return { encode: () => Buffer.concat([length, message]) };
}

const ANSWER: SaslAuthenticationResponse<string> = {
  decode: (bytes) => bytes.subarray(LENGTH_BYTES),
  parse: (bytes) => statusOf(bytes.toString('utf8')),
};

/** What the broker says is wrong, in its own short word where it has one; empty: nothing is. */
function statusOf(text: string): string {
  try {
    const { status } = JSON.parse(text) as { status?: unknown };
    return typeof status === 'string' ? status : 'refused';
  } catch {
    return text === '' ? '' : 'refused';
  }
}
