import { Module } from '@nestjs/common';
import { ApplicationRepository } from './application.repository.js';
import { Applications } from './applications.js';
import { AuditRepository } from './audit.repository.js';
import { ClientRemovalRepository } from './client-removal.repository.js';

const PROVIDERS = [ApplicationRepository, Applications, AuditRepository, ClientRemovalRepository];

/** Nest module of what the schema `access` holds of applications and clients. Needs a provider of the data source. */
@Module({ providers: PROVIDERS, exports: PROVIDERS })
export class AccessModule {}
