import { X509Certificate } from 'node:crypto';
import type { EnrolReply } from '#libs/contracts/index.js';
import type { TlsIdentity } from '#libs/keys/key-provider.js';

/** A certificate is replaced by a fresher one when this share of its life is over. */
const renewAfterShare = 1 / 3;

/** This agent's TLS certificate: given at enrolment, replaced long before it expires. */
export class FleetIdentity {
  current: TlsIdentity | undefined;
  private renewFromMs = 0;

  constructor(private readonly privateKey: string) {}

  /** Takes what the control plane gave. @returns whether it is to be used from now on */
  offer({ tlsCertificate, tlsAuthorities }: EnrolReply, nowMs: number): boolean {
    if (tlsCertificate === '') return false;
    const knows = tlsAuthorities.every((one) => this.current?.authorities.includes(one));
    if (knows && nowMs < this.renewFromMs) return false;
    const { validFrom, validTo } = new X509Certificate(tlsCertificate);
    const [fromMs, toMs] = [Date.parse(validFrom), Date.parse(validTo)];
    this.renewFromMs = fromMs + (toMs - fromMs) * renewAfterShare;
    const { privateKey } = this;
    this.current = { privateKey, certificate: tlsCertificate, authorities: tlsAuthorities };
    return true;
  }
}
