/** What Fastify can do with nothing around it: an answer as large as the gate's, and one ES256 signature. */
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import Fastify from 'fastify';
import { meAnswer, meSchema } from './me.js';
import { answerParent } from './parent.js';

const app = Fastify();
app.get('/bare', { schema: meSchema }, async () => meAnswer);

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const header = base64url({ alg: 'ES256', typ: 'at+jwt', kid: randomUUID() });
app.post('/sign', async () => {
  const iat = Math.floor(Date.now() / 1_000);
  const claims = { iss: 'https://auth.example.com', sub: randomUUID(), jti: randomUUID(), iat, exp: iat + 600 };
  const signed = `${header}.${base64url(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return { access_token: `${signed}.${signature.toString('base64url')}` };
});

const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
answerParent({}, Number(url.port));

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
