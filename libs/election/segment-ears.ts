import type {
  AssignmentReport,
  LeaderAlive,
  Register,
  RegistrationReport,
  ReportRequest,
  SessionAnnouncement,
} from '#libs/contracts/index.js';
import type { ReceivedControl, UdpAddress } from '#libs/multicast/control-port.js';
import { senderIdOf } from '#libs/multicast/sealed-frame.js';
import type { Candidate } from './election-state.js';
import { candidateOf } from './messages.js';

/** What a node hears of its segment. */
export interface SegmentEars {
  alive(alive: LeaderAlive, from: UdpAddress): void;
  claim(from: Candidate): void;
  leave(node: string): void;
  register(register: Register, from: UdpAddress): void;
  registered(report: RegistrationReport): void;
  requested(request: ReportRequest): void;
  reported(report: AssignmentReport): void;
  announced(announcement: SessionAnnouncement, from: UdpAddress): void;
  /** `sender` says that two agents use the name of `node`. */
  doubted(node: string, sender: string): void;
}

/** Hands a message to the ears, unless it speaks in the name of another node than its sender. */
export function listen({ message, from, sender }: ReceivedControl, ears: SegmentEars): void {
  const { message: said } = message;
  const isOwnWord = (node: string) => senderIdOf(node) === sender;
  switch (said.case) {
    case 'leaderAlive':
      if (isOwnWord(said.value.node)) ears.alive(said.value, from);
      return;
    case 'leaderClaim':
      if (isOwnWord(said.value.node)) ears.claim(candidateOf(said.value));
      return;
    case 'leave':
      if (isOwnWord(said.value.node)) ears.leave(said.value.node);
      return;
    case 'register':
      if (isOwnWord(said.value.node)) ears.register(said.value, from);
      return;
    case 'registrationReport':
      if (isOwnWord(said.value.leader)) ears.registered(said.value);
      return;
    case 'reportRequest':
      ears.requested(said.value);
      return;
    case 'assignmentReport':
      if (isOwnWord(said.value.node)) ears.reported(said.value);
      return;
    case 'sessionAnnouncement':
      ears.announced(said.value, from);
      return;
    case 'identityConflict':
      ears.doubted(said.value.node, sender);
      return;
  }
}
