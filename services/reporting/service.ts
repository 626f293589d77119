import type { ServiceDefinition } from '#libs/nest-jetstream/service.js';
import { ReportingModule } from './reporting.module.js';

export const definition: ServiceDefinition = { name: 'reporting', module: ReportingModule };
