import type { Claims, Decoded } from './access-token.js';
import { byId, make } from './dom.js';

/** What each claim is for, in the order in which they are shown. */
const MEANINGS: Record<string, string> = {
  alg: 'how it is signed',
  typ: 'an access token, and nothing else (RFC 9068)',
  kid: 'which key of /.well-known/jwks.json verifies it',
  iss: 'who signed it',
  aud: 'whom it is for',
  client_id: 'which app asked',
  sub: 'you',
  sid: 'your session',
  gen: 'its refresh generation',
  iat: 'signed at',
  exp: 'good until',
  auth_time: 'last proof of who you are',
  amr: 'how you proved it',
  jti: 'its own number',
};
const TIMES = new Set(['iat', 'exp', 'auth_time']);

/** How long the access token is good for, and what it says. Of the token itself nothing gets here. */
export function createTokenPanel() {
  const countdown = byId('countdown');
  const life = byId('life', HTMLProgressElement);
  const list = byId('claims-list');
  let lifetimeMs = 0;
  let arrivedAt = 0;

  setInterval(tick, 500);

  function tick(): void {
    if (lifetimeMs === 0) return;
    const leftMs = Math.max(0, lifetimeMs - (performance.now() - arrivedAt));
    const seconds = Math.ceil(leftMs / 1000);
    countdown.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    life.value = leftMs / lifetimeMs;
  }

  function row(name: string, value: unknown): HTMLElement {
    const shown = TIMES.has(name) ? new Date(Number(value) * 1000).toLocaleTimeString() : plain(value);
    return make(
      'div',
      {},
      make('dt', {}, make('code', {}, name), ' ', make('span', { class: 'quiet' }, MEANINGS[name] ?? '')),
      make('dd', {}, make('code', {}, shown)),
    );
  }

  return {
    show({ header, claims }: Decoded): void {
      // By its own length and this machine's monotonic clock: clocks need not agree.
      lifetimeMs = lifetimeOf(claims);
      arrivedAt = performance.now();
      const said = { ...header, ...claims };
      const names = [...Object.keys(MEANINGS), ...Object.keys(said).filter((name) => !(name in MEANINGS))];
      list.replaceChildren(...names.filter((name) => name in said).map((name) => row(name, said[name])));
      tick();
    },
    clear(): void {
      lifetimeMs = 0;
      list.replaceChildren();
    },
  };
}

function lifetimeOf({ iat, exp }: Claims): number {
  return (exp - iat) * 1000;
}

function plain(value: unknown): string {
  return Array.isArray(value) ? value.join(', ') : String(value);
}
