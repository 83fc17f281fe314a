import { makeSecret, type ApplicationRepository } from '#applications';
import type { RegisterExternalApplication } from '#auth';
import type { Logger } from '#runtime';

/**
 * Keeps the applications of an external issuer when they first call: each gets an id, which its agent events and its rate
 * are counted by, and can be revoked here. Its secret is known to nobody, so it gets no token of the built-in issuer.
 */
export function externalRegistrar(applications: ApplicationRepository, logger: Logger): RegisterExternalApplication {
  return async ({ appId: app_id, clientId: client_id, access }) => {
    const application = { app_id, client_id, access };
    const added = await applications.addIfMissing(application, (await makeSecret()).hash, 'OIDC_ISSUER');
    if (added) logger.info({ ...application, by: 'oidc' }, 'application.registered');
  };
}
