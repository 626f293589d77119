/** What agents of a type execute. Every set has whole files, copies, links, modes and times. */
export interface CommandSet {
  /** Files are also made of files of the base and differences. */
  readonly patchesFiles: boolean;
}

/** The type of an agent that carries out assignments on its own host. */
export const posixType = 'posix/1';
/** The type of an agent that carries them out on another host, through that host's shell. */
export const shellType = 'shell/1';

const sets: ReadonlyMap<string, CommandSet> = new Map([
  [posixType, { patchesFiles: true }],
  [shellType, { patchesFiles: false }],
]);

export class UnknownAgentType extends Error {
  override readonly name = 'UnknownAgentType';
  constructor(agentType: string) {
    super(`no command set is known for agents of the type ${JSON.stringify(agentType)}`);
  }
}

/** @throws UnknownAgentType */
export function commandSetOf(agentType: string): CommandSet {
  const set = sets.get(agentType);
  if (!set) throw new UnknownAgentType(agentType);
  return set;
}
