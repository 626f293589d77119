import type { ServiceDefinition } from '#libs/nest-jetstream/service.js';
import { DeltaModule } from './delta.module.js';

export const definition: ServiceDefinition = { name: 'delta', module: DeltaModule };
