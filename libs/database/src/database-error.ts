/** What to do about an error, by its code; in words that follow the server's own. */
const REMEDIES: Readonly<Record<string, string>> = {
  '28P01': 'check the user and the password in DATABASE_URL',
  '28000':
    'check the user in DATABASE_URL, whether it may log in, and the server’s pg_hba.conf (it may ask for TLS: sslmode=verify-full)',
  '3D000': 'create the database, or check its name in DATABASE_URL',
  '53300': 'raise max_connections, or lower DATABASE_POOL or the number of instances',
  '42501': 'grant it to the user in DATABASE_URL: docs/adr/0009 says what each service needs',
  '3F000': 'create the schema public, which the table of migrations is in',
  '57014': 'the server is busy, or there is much to read: try again later',
  '53100': 'the disk of the server is full: make room',
  '25006': 'the server is read-only, such as a standby: connect to the primary',
  '08P01': 'something between here and PostgreSQL does not understand the connection',
  ENOENT: 'a file that DATABASE_URL names is not there',
  ECONNREFUSED: 'nothing listens there (yet): check host and port in DATABASE_URL',
  ENOTFOUND: 'check the host in DATABASE_URL',
  EAI_AGAIN: 'check the host in DATABASE_URL',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate is of a CA that is not known: name it with sslrootcert in DATABASE_URL',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is of no CA that is known: name it with sslrootcert in DATABASE_URL',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate is of a CA that is not known: name it with sslrootcert in DATABASE_URL',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate is of a CA that is not known: name it with sslrootcert in DATABASE_URL',
  CERT_HAS_EXPIRED: 'the server’s certificate has expired: renew it',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the server’s certificate is for another host: check the host in DATABASE_URL',
};

/** The same for what has no code, by what the driver says. */
const REMEDIES_BY_MESSAGE: readonly (readonly [RegExp, string])[] = [
  [/does not support SSL/, 'switch TLS on at the server, or leave sslmode out of DATABASE_URL'],
  [/client password must be a string/, 'the server asks for a password, and DATABASE_URL has none'],
  [/timeout|Connection terminated/i, 'nothing answers there (yet): check host and port in DATABASE_URL, and what lies between'],
];

/** Says in one line why the database cannot be used, and what to do. Nothing of DATABASE_URL's password is in it. */
export function explainDatabaseError(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (!(first instanceof Error)) return String(first);
  const { code, message } = first as Error & { code?: string };
  const line = message.replace(/\s*\n\s*/g, ' ').trim();
  const remedy = (code !== undefined && REMEDIES[code]) || REMEDIES_BY_MESSAGE.find(([pattern]) => pattern.test(line))?.[1];
  return remedy ? `${line}: ${remedy}` : line;
}
