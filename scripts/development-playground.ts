import path from 'node:path';
import { build } from 'vite';
import { isLocal } from '../src/config-rules.js';

/**
 * The playground, and on this machine the faults that it can simulate.
 *
 * @param issuer the service's own origin
 */
export function developmentPlayground(issuer: string): Record<string, string> {
  return { PLAYGROUND_ENABLED: 'true', ...(isLocal(issuer) ? { SIMULATED_FAULTS_ENABLED: 'true' } : {}) };
}

/**
 * Builds the playground as `npm run build` does, but into a folder of one's own: services that start at the same time
 * would empty it under each other.
 *
 * @param folder an absolute path
 */
export async function buildPlayground(folder: string): Promise<void> {
  const configFile = path.resolve(import.meta.dirname, '../playground/vite.config.ts');
  await build({ configFile, logLevel: 'warn', build: { outDir: folder, emptyOutDir: true } });
}
