/** `npm run dev`: generates what is missing, then starts. One process, so that whatever ends it ends all of it. */
import './generate.js';

// Only now: it needs what was generated.
await import('./development.js');
