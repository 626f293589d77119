/** One defect: what it replaces in the compiled product, and the tests that must turn red. */
export interface PlantedBug {
  readonly name: string;
  /** Below dist. */
  readonly file: string;
  /** Must be there exactly once. */
  readonly from: string;
  readonly to: string;
  readonly tests: readonly string[];
}

const election = ['dist/libs/election/election.spec', 'dist/libs/election/segment-runtime.spec'];
const registration = [
  'dist/libs/election/registration.spec',
  'dist/libs/election/segment-runtime.spec',
];
const reports = [
  'dist/libs/election/report-collection.spec',
  'dist/libs/election/segment-runtime.spec',
];
const frames = ['dist/libs/multicast/signed-control.spec', 'dist/libs/multicast/sealed-frame.spec'];
const sessions = ['dist/libs/multicast/session.spec'];
const ways = ['dist/libs/multicast/reachability.spec'];

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'a leader gives in to a weaker claim',
    file: 'libs/election/election.js',
    from: 'else\n            turn.refute();',
    to: "else\n            turn.enter(turn.voting(), 'stronger-claim');",
    tests: election,
  },
  {
    name: 'the weaker candidate wins',
    file: 'libs/election/election-state.js',
    from: 'a.priority > b.priority',
    to: 'a.priority < b.priority',
    tests: election,
  },
  {
    name: 'equal priorities are not decided by the name',
    file: 'libs/election/election-state.js',
    from: 'a.node > b.node',
    to: 'false',
    tests: election,
  },
  {
    name: 'a leader is never taken for silent',
    file: 'libs/election/turn.js',
    from: 'this.nowMs + limitMs + this.silenceJitterMs()',
    to: 'Number.POSITIVE_INFINITY',
    tests: election,
  },
  {
    name: 'one lost Leader Alive deposes a leader',
    file: 'libs/election/turn.js',
    from: 'this.nowMs + limitMs + this.silenceJitterMs()',
    to: 'this.nowMs + limitMs / 5 + 1',
    tests: election,
  },
  {
    name: 'a candidate leads without listening for objections',
    file: 'libs/election/turn.js',
    from: 'this.nowMs + this.election.settings.timings.votingWindowMs',
    to: 'this.nowMs',
    tests: election,
  },
  {
    name: 'a candidate that conceded waits for ever',
    file: 'libs/election/turn.js',
    from: 'this.nowMs + this.election.settings.timings.concessionLimitMs',
    to: 'Number.POSITIVE_INFINITY',
    tests: election,
  },
  {
    name: 'a follower listens to a leader of an earlier term',
    file: 'libs/election/election.js',
    from: 'other.term > leader.term',
    to: 'true',
    tests: election,
  },
  {
    name: 'two leaders never settle',
    file: 'libs/election/election.js',
    from: 'turn.isBeatenBy(from) && from.term >= turn.election.term',
    to: 'false',
    tests: [...election, 'dist/test/scenarios/election.spec'],
  },
  {
    name: 'a node of priority 0 claims',
    file: 'libs/election/election-state.js',
    from: 'if (priority === 0n)\n        return Number.POSITIVE_INFINITY;',
    to: '',
    tests: election,
  },
  {
    name: 'a farewell of the leader is not heard',
    file: 'libs/election/election.js',
    from: "input.type === 'leave' && input.node === leader.node",
    to: 'false',
    tests: [...election, 'dist/test/scenarios/election.spec'],
  },
  {
    name: 'a member never shows that it lives',
    file: 'libs/election/registration.js',
    from: 'nowMs + timings.heartbeatMs * (0.9 + 0.1 * random())',
    to: 'Number.POSITIVE_INFINITY',
    tests: registration,
  },
  {
    name: 'a member that a report leaves out does not register again',
    file: 'libs/election/registration.js',
    from: 'Math.min(state.registerAtMs, repeatAtMs)',
    to: 'state.registerAtMs',
    tests: registration,
  },
  {
    name: 'a silent member stays a member',
    file: 'libs/election/registry.js',
    from: 'nowMs >= heardAtMs + registry.timings.expiryMs',
    to: 'false',
    tests: registration,
  },
  {
    name: 'a registration is not answered while others keep coming',
    file: 'libs/election/registry.js',
    from: 'Math.min(nowMs + quietMs, unansweredSinceMs + 4 * quietMs)',
    to: 'nowMs + quietMs',
    tests: registration,
  },
  {
    name: 'a lost registration report is not repeated',
    file: 'libs/election/registry.js',
    from: 'return repeats ? withReportSoon(next, nowMs) : next;',
    to: 'return next;',
    tests: registration,
  },
  {
    name: 'a request that names who has reported is answered by those',
    file: 'libs/election/report-sending.js',
    from: 'return !request.reported.includes(node);',
    to: 'return request.reported.includes(node);',
    tests: reports,
  },
  {
    name: 'large groups report all at once',
    file: 'libs/election/report-sending.js',
    from: 'return timings.delayPerMemberMs * memberCount * random();',
    to: 'return 0;',
    tests: reports,
  },
  {
    name: 'missing reports are asked for for ever',
    file: 'libs/election/report-collection.js',
    from: 'collection.requestsSent >= collection.timings.requestLimit',
    to: 'false',
    tests: reports,
  },
  {
    name: 'a report of somebody else ends a collection',
    file: 'libs/election/report-collection.js',
    from: 'if (!isWaitedFor)\n        return collection;',
    to: '',
    tests: reports,
  },
  {
    name: 'the longer list is sent',
    file: 'libs/election/report-collection.js',
    from: 'missing.length < reports.size',
    to: 'missing.length > reports.size',
    tests: reports,
  },
  {
    name: 'a word in another name is heard',
    file: 'libs/election/segment-ears.js',
    from: 'senderIdOf(node) === sender',
    to: 'true',
    tests: election,
  },
  {
    name: 'a signature is not verified',
    file: 'libs/multicast/signed-control.js',
    from: '!verify(null, bytes, peer.publicKey, signature)',
    to: 'false',
    tests: frames,
  },
  {
    name: 'a signature is not bound to its frame',
    file: 'libs/multicast/signed-control.js',
    from: 'Buffer.concat([domain, opened.header, statement])',
    to: 'Buffer.concat([domain, Buffer.alloc(40), statement])',
    tests: frames,
  },
  {
    name: 'a credential of another segment admits',
    file: 'libs/multicast/signed-control.js',
    from: '!credential || credential.segment !== segment',
    to: '!credential',
    tests: frames,
  },
  {
    name: 'a credential of another node admits',
    file: 'libs/multicast/signed-control.js',
    from: 'senderIdOf(credential.node) !== sender',
    to: 'false',
    tests: frames,
  },
  {
    name: 'frames from before a restart are heard',
    file: 'libs/multicast/signed-control.js',
    from: 'sentAtMs < this.options.startedAtMs',
    to: 'false',
    tests: frames,
  },
  {
    name: 'a replayed frame is heard again',
    file: 'libs/multicast/sealed-frame.js',
    from: 'known && !known.window.isFresh(sequence)',
    to: 'false',
    tests: frames,
  },
  {
    name: 'a forged frame moves the replay window',
    file: 'libs/multicast/sealed-frame.js',
    from: 'const payload = decrypt(sender.key, bytes);',
    to: 'sender.window.mark(sequence);\n        const payload = decrypt(sender.key, bytes);',
    tests: frames,
  },
  {
    name: 'a cloned agent goes unnoticed',
    file: 'libs/multicast/boot-order.js',
    from: 'boot === this.former && sentAtMs > current.firstSentAtMs',
    to: 'false',
    tests: frames,
  },
  {
    name: 'a former segment key is accepted for ever',
    file: 'libs/keys/segment-key-ring.js',
    from: 'successor && successor.useFromMs + retireAfterMs <= this.nowMs()',
    to: 'false',
    tests: frames,
  },
  {
    name: 'the next segment key is used at once',
    file: 'libs/keys/segment-key-ring.js',
    from: 'useFromMs <= nowMs',
    to: 'useFromMs >= 0',
    tests: frames,
  },
  {
    name: 'a peer that only unicast reaches counts as reached by multicast',
    file: 'libs/multicast/reachability.js',
    from: "byMulticast ? 'multicast' : 'unicast'",
    to: "'multicast'",
    tests: ways,
  },
  {
    name: 'the first pass does not wait until members listen',
    file: 'libs/multicast/sender.js',
    from: 'isInline ? 0 : greetingLimitMs(',
    to: 'isInline ? 0 : 1 + 0 * greetingLimitMs(',
    tests: sessions,
  },
  {
    name: 'a changed frame is taken',
    file: 'libs/multicast/frame-checker.js',
    from: 'if (!key.isSound(at, length, sequence, scratch))',
    to: 'if (false)',
    tests: ['dist/libs/multicast/frame-checker.spec'],
  },
  {
    name: 'a unit on its way to the disk is read from there already',
    file: 'libs/multicast/unit-buffer.js',
    from: 'isSound(unit) || (!held && this.spilled.has(unit))',
    to: 'isSound(unit) || this.spilled.has(unit)',
    tests: ['dist/libs/multicast/unit-buffer.spec'],
  },
  {
    name: 'an overloaded link is taken for a bad cable',
    file: 'libs/multicast/sender-pace.js',
    from: 'const lessShare = 0.75;',
    to: 'const lessShare = 10;',
    tests: ['dist/libs/multicast/sender-pace.spec'],
  },
  {
    name: 'the pace does not halve for TCP',
    file: 'libs/multicast/sender-pace.js',
    from: 'const cutFactor = 0.5;',
    to: 'const cutFactor = 0.99;',
    tests: ['dist/libs/multicast/sender-pace.spec'],
  },
];
