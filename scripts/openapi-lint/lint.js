/** `npm run lint:openapi`: Spectral and OWASP's rules on docs/openapi.json. Installs them here the first time. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const options = { cwd: import.meta.dirname, stdio: 'inherit', shell: process.platform === 'win32' };
const spectral = path.join('node_modules', '.bin', 'spectral');

if (!existsSync(path.join(import.meta.dirname, spectral))) execFileSync('npm', ['ci'], options);
try {
  execFileSync(
    spectral,
    ['lint', '../../docs/openapi.json', '--ruleset', '.spectral.yaml', '--fail-severity', 'warn'],
    options,
  );
} catch {
  // It has said what is wrong.
  process.exit(1);
}
