import 'reflect-metadata';
import { runService } from '#libs/nest-jetstream/service.js';
import { definition } from './service.js';

await runService(definition);
