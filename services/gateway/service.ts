import type { ServiceDefinition } from '#libs/nest-jetstream/service.js';
import { GatewayModule } from './gateway.module.js';

export const definition: ServiceDefinition = { name: 'gateway', module: GatewayModule };
