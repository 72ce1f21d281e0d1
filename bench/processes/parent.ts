import type { Call, Reply } from '../child.js';

type Handlers = Record<string, (argument: never) => unknown>;

/** The other end of `child.ts`: tells the parent that this process is ready, and does what it asks for. */
export function answerParent(handlers: Handlers = {}, port = 0): void {
  const send = (reply: Reply) => void process.send?.(reply);
  process.on('message', async ({ id, name, argument }: Call) => {
    try {
      send({ id, result: await handlers[name]?.(argument as never) });
    } catch (error) {
      send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  // Whoever started it is gone.
  process.once('disconnect', () => process.exit());
  send({ id: 0, port });
}
