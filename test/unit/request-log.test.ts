import Fastify from 'fastify';
import { expect, test } from 'vitest';
import { loggerOptions, RequestLog } from '../../src/plugins/request-log.js';

test('the line of a request has its id and nothing that was sent; other lines lose what has the name of a secret', async () => {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const app = Fastify({ logger: loggerOptions('info', stream), logController: new RequestLog(), genReqId: () => 'r1' });
  app.post('/open', async (request) => {
    request.log.info({ password: 'sesame-1', deep: { token: 'sesame-2' } }, 'by mistake');
    return {};
  });
  await app.inject({
    method: 'POST',
    url: '/open?token=sesame-3',
    headers: { authorization: 'Bearer sesame-4' },
    payload: { password: 'sesame-5' },
  });
  await app.close();
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { msg: 'by mistake', request_id: 'r1', password: '[secret]', deep: { token: '[secret]' } },
    { msg: 'answered', request_id: 'r1', method: 'POST', route: '/open', status: 200 },
  ]);
  expect(lines.join()).not.toContain('sesame');
});
