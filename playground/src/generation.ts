import { byId } from './dom.js';

/** Where the server has a session: what only a service that simulates faults tells. */
type ServerSide = { generation: number; confirmed_generation: number; ended_at: string | null };

const LOOK_EVERY_MS = 4_000;

export type Generations = ReturnType<typeof createGenerations>;

/** The refresh generation of this page and, where it can be seen, of the server. */
export function createGenerations({ canLook }: { canLook: boolean }) {
  const section = byId('page-generation').closest('section');
  let sessionId: string | null = null;
  let page = 0;
  let server: ServerSide | null = null;
  let looking = false;
  let lookAgain = false;

  byId('server-side').hidden = !canLook;
  if (canLook) setInterval(() => !document.hidden && void look(), LOOK_EVERY_MS);

  function draw(): void {
    byId('page-generation').textContent = sessionId ? String(page) : '–';
    byId('server-generation').textContent = server ? String(server.generation) : '–';
    byId('confirmation').textContent = sessionId ? explain(page, server) : '';
    section?.setAttribute('data-state', server ? stateOf(page, server) : 'unknown');
  }

  async function look(): Promise<void> {
    if (!canLook || !sessionId) return;
    lookAgain = looking;
    if (looking) return;
    looking = true;
    const id = sessionId;
    const response = await fetch(`/dev/sessions/${id}`).catch(() => null);
    const found: ServerSide | null = response?.ok ? await response.json().catch(() => null) : null;
    looking = false;
    if (id === sessionId && found) {
      server = found;
      draw();
    }
    if (lookAgain) void look();
  }

  return {
    /** The page has a token of this generation now; null: it has none. */
    holds(token: { sid: string; gen: number } | null): void {
      if (token?.sid !== sessionId) server = null;
      sessionId = token?.sid ?? null;
      page = token?.gen ?? 0;
      draw();
      void look();
    },
    look,
    page: () => page,
    server: () => server?.generation ?? null,
  };
}

function stateOf(page: number, { generation, confirmed_generation, ended_at }: ServerSide) {
  if (ended_at) return 'ended';
  if (generation > page) return 'ahead';
  return confirmed_generation >= generation ? 'confirmed' : 'open';
}

function explain(page: number, server: ServerSide | null): string {
  if (!server) return `Refresh token ${page} is in a cookie that no script can read. Each refresh makes the next one.`;
  switch (stateOf(page, server)) {
    case 'ended':
      return 'The session is over.';
    case 'ahead':
      return `The server is ahead, and this page has not heard. With token ${page} it can ask again and gets the same answer.`;
    case 'open':
      return page > 1
        ? `Not confirmed yet: had the answer been lost, token ${page - 1} could ask again.`
        : 'Not confirmed yet: the server has not seen the first token in use.';
    default:
      return page > 1
        ? `Confirmed: the server has seen token ${page} in use. Whoever comes with an older one now is a thief.`
        : 'Confirmed: the server has seen the first token in use.';
  }
}
