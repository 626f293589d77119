import type { ServiceDefinition } from '#libs/nest-jetstream/service.js';
import { TreePlannerModule } from './tree-planner.module.js';

export const definition: ServiceDefinition = { name: 'tree-planner', module: TreePlannerModule };
