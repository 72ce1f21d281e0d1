// Express with express-session and connect-pg-simple, as their READMEs set them up.
import bcrypt from 'bcrypt';
import connectPgSimple from 'connect-pg-simple';
import express from 'express';
import expressSession from 'express-session';
import pg from 'pg';
import { answerParent, BCRYPT_COST, emailOf, PASSWORD } from './answer.js';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const PgStore = connectPgSimple(expressSession);
const app = express();

app.use(express.json());
app.use(
  expressSession({
    store: new PgStore({ pool, createTableIfMissing: true }),
    secret: 'a secret of the bench, which guards nothing at all',
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 30 * 24 * 60 * 60 * 1000 },
  }),
);

app.post('/login', async (req, res) => {
  const { rows } = await pool.query('SELECT * FROM users WHERE email = $1', [req.body.email]);
  if (!rows[0] || !(await bcrypt.compare(req.body.password, rows[0].password_hash))) return res.sendStatus(401);
  await new Promise((resolve, reject) => req.session.regenerate((error) => (error ? reject(error) : resolve())));
  const { id, email, created_at } = rows[0];
  req.session.user = { id, email, email_verified: false, created_at };
  res.json(req.session.user);
});

// Opens a session without asking for a password: only to have many of them soon.
app.post('/seed', (req, res) => {
  req.session.user = req.body;
  res.json({});
});

app.get('/me', (req, res) => {
  if (!req.session.user) return res.sendStatus(401);
  res.json(req.session.user);
});

await pool.query(
  `CREATE TABLE IF NOT EXISTS users (
     id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text UNIQUE, password_hash text, created_at timestamptz DEFAULT now())`,
);

const server = app.listen(0, '127.0.0.1', () =>
  answerParent(server.address().port, {
    /** Signs up so many people. @returns a cookie header of each */
    async people(count) {
      const hash = await bcrypt.hash(PASSWORD, BCRYPT_COST);
      const cookies = [];
      for (let person = 0; person < count; person += 1) {
        const { rows } = await pool.query(
          'INSERT INTO users (email, password_hash) VALUES ($1, $2) RETURNING id, email, created_at',
          [emailOf(person), hash],
        );
        const response = await fetch(`http://127.0.0.1:${server.address().port}/seed`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ ...rows[0], email_verified: false }),
        });
        cookies.push(response.headers.get('set-cookie').split(';')[0]);
      }
      return cookies;
    },
  }),
);
