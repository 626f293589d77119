import type { PlantedBug } from './planted-bug.js';

const frames = ['dist/libs/multicast/signed-control.spec', 'dist/libs/multicast/sealed-frame.spec'];
const sessions = ['dist/libs/multicast/session.spec'];
const ways = ['dist/libs/multicast/reachability.spec'];

/** In frames, their keys, sessions and the pace. */
export const plantedMulticastBugs: readonly PlantedBug[] = [
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
    from: 'return isSound(unit) || (!held && this.spilled.has(unit));',
    to: 'return isSound(unit) || this.spilled.has(unit);',
    tests: ['dist/libs/multicast/unit-buffer.spec'],
  },
  {
    name: 'an overloaded link is taken for a bad cable',
    file: 'libs/multicast/sender-pace.js',
    from: 'const unmovedShare = 0.7;',
    to: 'const unmovedShare = -10;',
    tests: ['dist/libs/multicast/sender-pace.spec'],
  },
  {
    name: 'a bad cable is taken for an overloaded link',
    file: 'libs/multicast/sender-pace.js',
    from: 'const unmovedShare = 0.7;',
    to: 'const unmovedShare = 10;',
    tests: ['dist/libs/multicast/sender-pace.spec'],
  },
  {
    name: 'a cut is made of what was allowed, not of what left',
    file: 'libs/multicast/pace.js',
    from: 'return Math.min(rateBytesPerS, usedRate);',
    to: 'return rateBytesPerS;',
    tests: ['dist/libs/multicast/sender-pace.spec'],
  },
  {
    name: 'a report of what is on its way counts as lost and needed',
    file: 'libs/multicast/sender.js',
    from: "state.situation === 'sending' && report.needed.length > 0",
    to: 'false',
    tests: sessions,
  },
  {
    name: 'gathered blocks are lost where the next does not follow',
    file: 'libs/multicast/adapters/file-sink.js',
    from: 'if (offset !== this.offset + this.length)',
    to: 'if (false)',
    tests: ['dist/libs/multicast/adapters/file-sink.spec'],
  },
  {
    name: 'the pace does not halve for TCP',
    file: 'libs/multicast/sender-pace.js',
    from: 'const cutFactor = 0.45;',
    to: 'const cutFactor = 0.99;',
    tests: ['dist/libs/multicast/sender-pace.spec'],
  },
];
