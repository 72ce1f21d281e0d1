/** Tells whoever started this process where it listens, and does what it asks for. The same protocol as processes/parent.ts. */
export function answerParent(port, handlers = {}) {
  process.on('message', async ({ id, name, argument }) => {
    try {
      process.send({ id, result: await handlers[name](argument) });
    } catch (error) {
      process.send({ id, error: error.stack });
    }
  });
  process.once('disconnect', () => process.exit());
  process.send({ id: 0, port });
}

/** What everybody signs in with. */
export const PASSWORD = 'correct horse battery staple';
export const BCRYPT_COST = 12;
export const emailOf = (person) => `person${person}@example.com`;
