import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { accepts, findFreePort } from './embedded-postgres.js';

export type RunningNginx = { port: number; stop: () => Promise<void> };

/** Whether there is one that can run the guides' configurations. */
export async function hasNginx(): Promise<boolean> {
  const { stderr } = await promisify(execFile)('nginx', ['-V']).catch(() => ({ stderr: '' }));
  return stderr.includes('http_auth_request_module');
}

/**
 * Runs nginx with a server configuration as a guide prints it, in a folder of its own, on a free port and without TLS.
 *
 * @param replacements what the guide prints, and what stands for it here; each must be there
 */
export async function startNginx(configuration: string, replacements: Record<string, string>): Promise<RunningNginx> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-nginx-'));
  // Its workers are somebody else where it is started by root.
  await chmod(folder, 0o755);
  await mkdir(path.join(folder, 'app'));
  await writeFile(path.join(folder, 'app/index.html'), 'the app');
  const port = await findFreePort();
  const server = replaceEach(configuration, {
    'listen 443 ssl;': `listen 127.0.0.1:${port};`,
    'root /srv/app;': `root ${folder}/app;`,
    ...replacements,
  }).replace(/^ *ssl_certificate(_key)? .*\n/gm, '');
  const file = path.join(folder, 'nginx.conf');
  await writeFile(file, frame(folder, server));

  const nginx = spawn('nginx', ['-c', file, '-p', folder, '-e', path.join(folder, 'error.log')], { stdio: 'inherit' });
  const exit = new Promise<void>((resolve) => nginx.once('close', () => resolve()));
  const stop = async () => {
    nginx.kill('SIGQUIT');
    await exit;
    await rm(folder, { recursive: true });
  };
  for (let attempt = 1; !(await accepts(port)); attempt += 1) {
    if (nginx.exitCode !== null || attempt === 100) {
      await stop();
      throw new Error('nginx did not start with that configuration.');
    }
    await sleep(50);
  }
  return { port, stop };
}

/** What the distribution's nginx.conf has around the files of conf.d. */
function frame(folder: string, server: string): string {
  return `daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events {}
http {
    access_log off;
    default_type text/html;
    client_body_temp_path ${folder}/body;
    proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
${server}
}
`;
}

function replaceEach(text: string, replacements: Record<string, string>): string {
  return Object.entries(replacements).reduce((changed, [printed, here]) => {
    if (!changed.includes(printed)) throw new Error(`The guide's configuration has no "${printed}".`);
    return changed.replaceAll(printed, here);
  }, text);
}
