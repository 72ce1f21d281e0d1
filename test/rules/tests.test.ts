import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const FOLDER = 'test/integration';

test('no integration test mocks a module: the files of a worker share them, and run in any order', () => {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(20);
  const mocking = files.filter((file) =>
    /\bvi\.(mock|doMock|resetModules)\(/.test(readFileSync(path.join(FOLDER, file), 'utf8')),
  );
  expect(mocking).toEqual([]);
});
