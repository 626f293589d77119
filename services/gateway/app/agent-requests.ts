import { type Clock } from '#libs/clock/clock.js';
import { DomainError } from '#libs/contracts/index.js';
import {
  isSignedBy,
  type SignatureClaim,
  type SignedRequest,
  signatureClaim,
  signatureLifeMs,
  UnsignedRequest,
} from '#libs/keys/http-signature.js';
import { NonceMemory } from '#libs/keys/nonce-memory.js';

/** An agent's request whose signature does not hold. */
export class AgentNotKnown extends DomainError {
  override readonly name = 'AgentNotKnown';
  constructor(reason: string) {
    super(
      `the request is not one of an enrolled agent: ${reason}`,
      'see that the agent is enrolled here and that its clock is right',
    );
  }
}

/** The key that a node is enrolled with. */
export type KeyOf = (node: string) => Promise<Uint8Array | undefined>;

/** Tells which enrolled agent sent a request: each is signed, recent, and counts once. */
export class AgentRequests {
  private readonly nonces = new NonceMemory(2 * signatureLifeMs);

  constructor(
    private readonly keyOf: KeyOf,
    private readonly clock: Clock,
  ) {}

  /** The node. @throws AgentNotKnown */
  async senderOf(
    headers: Readonly<Record<string, unknown>>,
    request: SignedRequest,
  ): Promise<string> {
    const claim = claimIn(headers);
    const { node, nonce, createdMs } = claim;
    const nowMs = this.clock.nowMs();
    const offMs = Math.abs(nowMs - createdMs);
    if (offMs > signatureLifeMs) {
      throw new AgentNotKnown(`its clock is ${Math.round(offMs / 1_000)} s off`);
    }
    const publicKey = await this.keyOf(node);
    if (!publicKey) throw new AgentNotKnown(`${node} is not enrolled, or no longer`);
    if (!isSignedBy(publicKey, request, claim)) {
      throw new AgentNotKnown(`it is not signed by the key of ${node}`);
    }
    if (!this.nonces.isNew(`${node}/${nonce}`, nowMs)) throw new AgentNotKnown('it came before');
    return node;
  }
}

function claimIn(headers: Readonly<Record<string, unknown>>): SignatureClaim {
  try {
    return signatureClaim(headers);
  } catch (error) {
    if (error instanceof UnsignedRequest) throw new AgentNotKnown(error.message);
    throw error;
  }
}
