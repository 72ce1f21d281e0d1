/** An access token as the page may know it: what it says, and never the token itself. */
export type Decoded = { header: Record<string, unknown>; claims: Claims };

export type Claims = Record<string, unknown> & { sid: string; gen: number; iat: number; exp: number };

/**
 * Reads a token without verifying it: a page shows what it was given, and only servers have to decide by it.
 *
 * @returns null for anything but an access token of Gatehouse
 */
export function decode(token: string | null | undefined): Decoded | null {
  try {
    const [header, claims] = (token ?? '').split('.', 2).map(readPart);
    return header && claims && typeof claims.gen === 'number' ? { header, claims: claims as Claims } : null;
  } catch {
    return null;
  }
}

function readPart(part: string): Record<string, unknown> {
  const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (byte) => byte.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
