import { Module } from '@nestjs/common';
import { AccessModule } from '#applications';
import { AdmissionModule } from '../admission/admission.module.js';
import { ClientRemovalJob } from './client-removal.job.js';
import { ClientController } from './client.controller.js';
import { ClientRepository } from './client.repository.js';

/** All clients, and removing one: contract §3. */
@Module({
  imports: [AccessModule, AdmissionModule],
  controllers: [ClientController],
  providers: [ClientRepository, ClientRemovalJob],
})
export class ClientsModule {}
