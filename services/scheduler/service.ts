import type { ServiceDefinition } from '#libs/nest-jetstream/service.js';
import { SchedulerModule } from './scheduler.module.js';

export const definition: ServiceDefinition = { name: 'scheduler', module: SchedulerModule };
