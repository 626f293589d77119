import type { Command } from 'commander';

/** Adds commands to a program. */
type Add = (program: Command) => void;

/** One module of commands: the names that it adds, and how it is loaded. */
export interface CommandModule {
  readonly names: readonly string[];
  readonly load: () => Promise<Add>;
}

const entry = (names: string, load: () => Promise<Add>): CommandModule => ({
  names: names.split(' '),
  load,
});

/** All commands by what they are for. Nothing of them is loaded yet. */
export const commandTable: Readonly<Record<string, readonly CommandModule[]>> = {
  'Run:': [
    entry('up', async () => (await import('./commands/up.js')).upCommand),
    entry('agent', async () => (await import('./commands/agent.js')).agentCommand),
    entry('doctor', async () => (await import('./commands/doctor.js')).doctorCommand),
  ],
  'Set up:': [
    entry('site', async () => (await import('./commands/site.js')).siteCommand),
    entry('config', async () => (await import('./commands/config.js')).configCommand),
    entry('group', async () => (await import('./commands/group.js')).groupCommand),
    entry('node', async () => (await import('./commands/node.js')).nodeCommand),
    entry('segment', async () => (await import('./commands/segment.js')).segmentCommand),
    entry('tree', async () => (await import('./commands/tree.js')).treeCommand),
    entry('stage', async () => (await import('./commands/stage.js')).stageCommand),
    entry('apply', async () => (await import('./commands/apply.js')).applyCommand),
  ],
  'Distribute:': [
    entry('publish', async () => (await import('./commands/publish.js')).publishCommand),
    entry(
      'sync replicate rollback remove hot abort go-live',
      async () => (await import('./commands/jobs.js')).jobCommands,
    ),
    entry('rollout', async () => (await import('./commands/rollout.js')).rolloutCommand),
  ],
  'Schedule:': [entry('job', async () => (await import('./commands/job.js')).jobCommand)],
  'Versions:': [
    entry(
      'history checkpoint',
      async () => (await import('./commands/versions.js')).versionCommands,
    ),
  ],
  'Look:': [
    entry('get', async () => (await import('./commands/get.js')).getCommand),
    entry('describe', async () => (await import('./commands/describe.js')).describeCommand),
    entry('events', async () => (await import('./commands/events.js')).eventsCommand),
    entry('audit', async () => (await import('./commands/audit.js')).auditCommand),
  ],
  'Files:': [
    entry('assignment', async () => (await import('./commands/assignment.js')).assignmentCommand),
    entry('content', async () => (await import('./commands/content.js')).contentCommand),
  ],
  'Operate:': [
    entry('dlq', async () => (await import('./commands/dlq.js')).dlqCommand),
    entry('webhook', async () => (await import('./commands/webhook.js')).webhookCommand),
    entry(
      'read-models archive',
      async () => (await import('./commands/operations.js')).operationsCommands,
    ),
  ],
};
