export const ACCESS_LEVELS = ['call_api', 'all', 'platform'] as const;
/** What an application may do, least first: contract §2. */
export type AccessLevel = (typeof ACCESS_LEVELS)[number];

/** The application that a request's token was given to. */
export interface Principal {
  /** The application's numeric id; 0 for one of an external issuer, in a service that gives out no ids and where none was given. */
  readonly applicationId: number;
  readonly appId: string;
  /** The client that the application is registered for. */
  readonly clientId: number;
  readonly access: AccessLevel;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Access levels that may call the route; every level where absent. */
    access?: readonly AccessLevel[];
  }
  interface FastifyRequest {
    /** The application that makes the request; undefined on public routes. */
    principal?: Principal;
  }
}
