import { type Answer, openConnection } from './connection.js';

export type ClosedLoopOptions = {
  port: number;
  connections?: number;
  /** What a connection sends next. */
  next: (connection: number) => Buffer;
  /** What is wanted; any other answer ends the measurement. */
  status?: number;
  /** Told each answer, where the next request depends on it. */
  heard?: (answer: Answer, connection: number) => void;
};

export type ClosedLoop = {
  /** Asks for so many seconds, each connection again as soon as it was answered. @returns answers a second */
  run: (seconds: number) => Promise<number>;
};

/**
 * As many connections as wait at once, each from an address of its own: limits by address stay in force. They are opened
 * for each run, since a server closes those that say nothing meanwhile.
 */
export function closedLoop({ port, connections = 64, next, status = 200, heard }: ClosedLoopOptions): ClosedLoop {
  return {
    async run(seconds) {
      const open = await Promise.all(
        Array.from({ length: connections }, (_, index) => openConnection(port, addressOf(index))),
      );
      let answers = 0;
      const startedAt = performance.now();
      const until = startedAt + seconds * 1_000;
      await Promise.all(
        open.map(async (connection, index) => {
          while (performance.now() < until) {
            const answer = await connection.ask(next(index));
            if (answer.status !== status) {
              throw new Error(`Answered ${answer.status}: ${answer.body.toString().slice(0, 300)}`);
            }
            heard?.(answer, index);
            answers += 1;
          }
        }),
      ).finally(() => {
        for (const connection of open) connection.close();
      });
      return answers / ((performance.now() - startedAt) / 1_000);
    },
  };
}

/** All of 127.0.0.0/8 is this machine on Linux; elsewhere only the first address is. */
export function addressOf(index: number): string {
  return process.platform === 'linux' ? `127.0.0.${(index % 250) + 1}` : '127.0.0.1';
}
