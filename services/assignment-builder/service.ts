import type { ServiceDefinition } from '#libs/nest-jetstream/service.js';
import { AssignmentBuilderModule } from './assignment-builder.module.js';

export const definition: ServiceDefinition = {
  name: 'assignment-builder',
  module: AssignmentBuilderModule,
};
