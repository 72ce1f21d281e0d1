import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { on } from './machine.js';

export type ChildOptions = {
  env?: NodeJS.ProcessEnv;
  /** The cores that it is kept to; all of them when left out. */
  cores?: string | undefined;
  nodeArgs?: string[];
  /** Where it listens, if its parent decides that. */
  port?: number;
};

/** A process of the bench, which does what it is called for. */
export type Child = {
  pid: number;
  /** Where it listens; 0 when it does not. */
  port: number;
  ready: Promise<void>;
  call: <T>(name: string, argument?: unknown) => Promise<T>;
  stop: () => Promise<void>;
};

/** From a child to its parent; the first tells that it is ready. */
export type Reply = { id: number; result?: unknown; error?: string; port?: number };
export type Call = { id: number; name: string; argument: unknown };

const root = path.resolve(import.meta.dirname, '..');
const MAX_OUTPUT = 5_000;

/** @param file from the project's folder; TypeScript, or JavaScript as a peer's documentation has it */
export function startChild(file: string, { env = {}, cores, nodeArgs = [], port = 0 }: ChildOptions): Child {
  const node = [
    process.execPath,
    ...nodeArgs,
    ...(file.endsWith('.ts') ? ['--import', 'tsx'] : []),
    path.join(root, file),
  ];
  const [program, args] = on(cores, node);
  const started: ChildProcess = spawn(program, args, {
    cwd: root,
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
    // The log goes nowhere, and is written all the same.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let output = '';
  started.stderr?.on('data', (chunk) => {
    output = (output + chunk).slice(-MAX_OUTPUT);
  });

  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const ended = new Promise<void>((resolve) => {
    started.once('close', () => {
      for (const { reject } of waiting.values()) reject(new Error(`${file} has ended.\n${output}`));
      waiting.clear();
      resolve();
    });
  });
  const reply = (id: number) =>
    new Promise<unknown>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
    });
  let calls = 0;
  started.on('message', ({ id, result, error, port: listensAt }: Reply) => {
    if (listensAt !== undefined) child.port = listensAt;
    const caller = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) caller?.resolve(result);
    else caller?.reject(new Error(`${file}: ${error}`));
  });

  const child: Child = {
    pid: started.pid ?? 0,
    port,
    ready: reply(0).then(() => {}),
    call(name, argument) {
      calls += 1;
      const answered = reply(calls);
      started.send({ id: calls, name, argument } satisfies Call);
      return answered as Promise<never>;
    },
    async stop() {
      started.kill('SIGTERM');
      const timer = setTimeout(() => started.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(timer);
    },
  };
  return child;
}
