import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Builds the service into dist/, for the processes of a suite. */
export async function buildService(): Promise<void> {
  console.log('Building the service …');
  const tsc = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--noCheck'];
  await promisify(execFile)(process.execPath, tsc);
}
