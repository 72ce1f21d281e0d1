// What most tutorials build: Express, jsonwebtoken, and a table of refresh tokens through Prisma. The key is a KeyObject,
// which spares parsing it at each signature, and the token's hash is stored, not the token.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import bcrypt from 'bcrypt';
import cookieParser from 'cookie-parser';
import express from 'express';
import jwt from 'jsonwebtoken';
import { answerParent, BCRYPT_COST, emailOf, PASSWORD } from './answer.js';
import { PrismaClient } from './jwt-prisma/built/client.js';

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL, max: 10 }) });
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const WEEK_MS = 7 * 24 * 60 * 60 * 1000;
const hashOf = (token) => createHash('sha256').update(token).digest('hex');

const app = express();
app.use(express.json());
app.use(cookieParser());

const sign = (user) =>
  jwt.sign({ sub: user.id, email: user.email }, privateKey, { algorithm: 'ES256', expiresIn: '1h' });

function authenticate(req, res, next) {
  const token = req.headers.authorization?.split(' ')[1];
  if (!token) return res.sendStatus(401);
  jwt.verify(token, publicKey, { algorithms: ['ES256'] }, (error, user) => {
    if (error) return res.sendStatus(403);
    req.user = user;
    next();
  });
}

async function issue(database, res, user) {
  const refreshToken = randomBytes(40).toString('hex');
  const expiresAt = new Date(Date.now() + WEEK_MS);
  await database.refreshToken.create({ data: { tokenHash: hashOf(refreshToken), userId: user.id, expiresAt } });
  res.cookie('refreshToken', refreshToken, { httpOnly: true, secure: true, sameSite: 'strict', maxAge: WEEK_MS });
}

app.post('/login', async (req, res) => {
  const user = await prisma.user.findUnique({ where: { email: req.body.email } });
  if (!user || !(await bcrypt.compare(req.body.password, user.passwordHash))) return res.sendStatus(401);
  await issue(prisma, res, user);
  res.json({ accessToken: sign(user) });
});

app.post('/refresh', async (req, res) => {
  const stored = await prisma.refreshToken.findUnique({
    where: { tokenHash: hashOf(req.cookies.refreshToken ?? '') },
    include: { user: true },
  });
  if (!stored || stored.revoked || stored.expiresAt < new Date()) return res.sendStatus(401);
  await prisma.$transaction(async (transaction) => {
    await transaction.refreshToken.update({ where: { id: stored.id }, data: { revoked: true } });
    await issue(transaction, res, stored.user);
  });
  res.json({ accessToken: sign(stored.user) });
});

app.get('/me', authenticate, (req, res) => {
  const { sub, email, iat } = req.user;
  res.json({ id: sub, email, email_verified: false, created_at: new Date(iat * 1000).toISOString() });
});

// What `prisma migrate` writes for the schema; its engine is not in npm.
for (const statement of [
  `CREATE TABLE "User" ("id" TEXT PRIMARY KEY, "email" TEXT NOT NULL, "passwordHash" TEXT NOT NULL,
     "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
  'CREATE UNIQUE INDEX "User_email_key" ON "User"("email")',
  `CREATE TABLE "RefreshToken" ("id" TEXT PRIMARY KEY, "tokenHash" TEXT NOT NULL,
     "userId" TEXT NOT NULL REFERENCES "User"("id") ON DELETE RESTRICT ON UPDATE CASCADE,
     "revoked" BOOLEAN NOT NULL DEFAULT false, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
     "expiresAt" TIMESTAMP(3) NOT NULL)`,
  'CREATE UNIQUE INDEX "RefreshToken_tokenHash_key" ON "RefreshToken"("tokenHash")',
  'CREATE INDEX "RefreshToken_userId_idx" ON "RefreshToken"("userId")',
]) {
  await prisma.$executeRawUnsafe(statement);
}

const server = app.listen(0, '127.0.0.1', () =>
  answerParent(server.address().port, {
    /** Signs up so many people. @returns a refresh cookie and an access token of each */
    async people(count) {
      const passwordHash = await bcrypt.hash(PASSWORD, BCRYPT_COST);
      const made = [];
      for (let person = 0; person < count; person += 1) {
        const user = await prisma.user.create({ data: { email: emailOf(person), passwordHash } });
        let cookie = '';
        await issue(prisma, { cookie: (name, value) => (cookie = `${name}=${value}`) }, user);
        made.push({ cookie, accessToken: sign(user) });
      }
      return made;
    },
  }),
);
