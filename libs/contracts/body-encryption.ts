/** How assignments' bodies are encrypted where `SitePolicy.encryption` asks for it. */
export const bodyEncryption = 'aes-256-gcm';

/** What `SitePolicy.encryption` may say; the others: not at all. */
export const bodyEncryptions: readonly string[] = ['', 'none', bodyEncryption];
