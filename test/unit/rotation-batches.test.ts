import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createRotationBatches, type Rotation } from '../../src/modules/sessions/rotation-batches.js';
import type { SessionSnapshot } from '../../src/modules/sessions/session.js';
import { DomainError } from '../../src/shared/domain-error.js';

const rotation = (sessionId: string = randomUUID()): Rotation => ({ sessionId, generation: 1, transport: 'cookie' });

function moved({ sessionId, generation, transport }: Rotation): SessionSnapshot {
  return { session: { id: sessionId, generation: generation + 1, transport } } as SessionSnapshot;
}

/** Batches whose statements wait until they are told how to end. */
function build(lanes = 1) {
  const sent: { rotations: Rotation[]; succeed: () => void; fail: () => void }[] = [];
  const doubted: Rotation[] = [];
  const ask = <Result>(rotations: Rotation[], result: () => Result) =>
    new Promise<Result>((resolve, reject) => {
      sent.push({ rotations, succeed: () => resolve(result()), fail: () => reject(new Error('the statement failed')) });
    });
  const batches = createRotationBatches({
    lanes,
    rotate: (one) => ask([one], () => moved(one)),
    rotateMany: (many) => ask(many, () => many.map(moved)),
    async rotateInDoubt(one) {
      doubted.push(one);
      return moved(one);
    },
  });
  return { batches, sent, doubted };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a lone rotation goes alone and at once', async () => {
  const { batches, sent } = build();
  const one = rotation();
  const answer = batches.rotate(one);
  expect(sent.map(({ rotations }) => rotations)).toEqual([[one]]);
  sent[0]?.succeed();
  expect(await answer).toEqual(moved(one));
});

test('those that come while a statement is under way go together in the next, in the order of their ids', async () => {
  const { batches, sent } = build();
  void batches.rotate(rotation());
  const many = Array.from({ length: 5 }, () => rotation());
  const answers = Promise.all(many.map((one) => batches.rotate(one)));
  expect(sent).toHaveLength(1);
  sent[0]?.succeed();
  await turn();
  expect(sent).toHaveLength(2);
  expect(sent[1]?.rotations.map(({ sessionId }) => sessionId)).toEqual(many.map(({ sessionId }) => sessionId).sort());
  sent[1]?.succeed();
  expect(await answers).toEqual(many.map(moved));
});

test('the same token twice in one batch is asked for once, and both get the same successor', async () => {
  const { batches, sent } = build();
  void batches.rotate(rotation());
  const twin = rotation();
  const answers = Promise.all([batches.rotate({ ...twin }), batches.rotate(rotation()), batches.rotate({ ...twin })]);
  sent[0]?.succeed();
  await turn();
  expect(sent[1]?.rotations).toHaveLength(2);
  sent[1]?.succeed();
  const [first, , third] = await answers;
  expect(first).toEqual(moved(twin));
  expect(third).toBe(first);
});

test('tokens of two generations or transports of one session are judged each by itself', async () => {
  const { batches, sent } = build();
  void batches.rotate(rotation());
  const id = randomUUID();
  const asked = [
    { ...rotation(id), generation: 4 },
    { ...rotation(id), generation: 5 },
    { ...rotation(id), generation: 5, transport: 'body' as const },
  ];
  void asked.map((one) => batches.rotate(one));
  sent[0]?.succeed();
  await turn();
  expect(sent[1]?.rotations).toHaveLength(3);
});

test('what a batch did not move is null for that caller alone', async () => {
  const one = rotation();
  const other = rotation();
  let release = () => {};
  const batches = createRotationBatches({
    lanes: 1,
    rotate: () =>
      new Promise((resolve) => {
        release = () => resolve(null);
      }),
    rotateMany: async () => [moved(one)],
    rotateInDoubt: async () => expect.unreachable('nothing failed'),
  });
  void batches.rotate(rotation());
  const answers = Promise.all([batches.rotate(one), batches.rotate(other)]);
  release();
  expect(await answers).toEqual([moved(one), null]);
});

test('when a batch fails, each goes by itself and nobody fails falsely', async () => {
  const { batches, sent, doubted } = build();
  void batches.rotate(rotation());
  const many = [rotation(), rotation()];
  const answers = Promise.all(many.map((one) => batches.rotate(one)));
  sent[0]?.succeed();
  await turn();
  sent[1]?.fail();
  expect(await answers).toEqual(many.map(moved));
  expect(doubted).toHaveLength(2);
});

test('the error of a lone rotation is its own, and the next one goes', async () => {
  const { batches, sent } = build();
  const failing = batches.rotate(rotation());
  const next = batches.rotate(rotation());
  sent[0]?.fail();
  await expect(failing).rejects.toThrow('the statement failed');
  await turn();
  sent[1]?.succeed();
  expect(await next).not.toBeNull();
});

test('a batch is bounded, first come first served, and as many statements go at once as there are lanes', async () => {
  const { batches, sent } = build(2);
  void batches.rotate(rotation());
  void batches.rotate(rotation());
  const many = Array.from({ length: 600 }, () => rotation());
  for (const one of many) void batches.rotate(one);
  expect(sent).toHaveLength(2);
  sent[0]?.succeed();
  await turn();
  expect(sent).toHaveLength(3);
  const ids = (index: number) => sent[index]?.rotations.map(({ sessionId }) => sessionId);
  expect(ids(2)).toEqual(
    many
      .slice(0, 250)
      .map(({ sessionId }) => sessionId)
      .sort(),
  );
  sent[1]?.succeed();
  await turn();
  expect(ids(3)).toEqual(
    many
      .slice(250, 500)
      .map(({ sessionId }) => sessionId)
      .sort(),
  );
});

test('who comes while others wait goes behind them, and a lane that is free again is used', async () => {
  const { batches, sent } = build(1);
  for (let round = 0; round < 3; round += 1) {
    const [first, second] = [rotation(), rotation()];
    const answers = Promise.all([batches.rotate(first), batches.rotate(second)]);
    expect(sent.at(-1)?.rotations).toMatchObject([first]);
    sent.at(-1)?.succeed();
    await turn();
    expect(sent.at(-1)?.rotations).toMatchObject([second]);
    sent.at(-1)?.succeed();
    expect(await answers).toEqual([moved(first), moved(second)]);
    await turn();
  }
  expect(sent).toHaveLength(6);
});

test('what comes past two thousand is refused at once', async () => {
  const { batches } = build();
  void batches.rotate(rotation());
  for (let index = 0; index < 2_000; index += 1) void batches.rotate(rotation());
  const refused = await batches.rotate(rotation()).catch((error) => error);
  expect(refused).toBeInstanceOf(DomainError);
  expect(refused.code).toBe('unavailable');
  expect(refused.options.retryAfterSeconds).toBe(1);
  expect(refused.cause).toContain('too many');
});

test('who has waited too long to be answered in time is refused and not sent', async () => {
  const { batches, sent } = build();
  void batches.rotate(rotation());
  const late = batches.rotate(rotation()).catch((error) => error.code);
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  sent[0]?.succeed();
  expect(await late).toBe('unavailable');
  expect(sent).toHaveLength(1);
});

test('a batch belongs to no request', async () => {
  const story = new AsyncLocalStorage<string>();
  let seen: string | undefined = 'never sent';
  let release = () => {};
  const batches = createRotationBatches({
    lanes: 1,
    rotate: () =>
      new Promise((resolve) => {
        release = () => resolve(null);
      }),
    async rotateMany() {
      seen = story.getStore();
      return [];
    },
    rotateInDoubt: async () => null,
  });
  const answers = ['one', 'two', 'three'].map((name) => story.run(name, () => batches.rotate(rotation())));
  story.run('one', release);
  await Promise.all(answers);
  expect(seen).toBeUndefined();
});
