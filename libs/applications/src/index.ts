export { AccessModule } from './access.module.js';
export { ApplicationRepository, type Credentials } from './application.repository.js';
export { Applications, MAX_KEEP_PREVIOUS_SECONDS, type Application, type ApplicationWithSecret } from './applications.js';
export { AUDITED_ACTIONS, AuditRepository, recordAudit } from './audit.repository.js';
export { ClientRemovalRepository } from './client-removal.repository.js';
export { newApplicationSchema, type NewApplication } from './new-application.js';
export { makeSecret, hashSecret, isQuickHash, verifySecret } from './secret-hash.js';
