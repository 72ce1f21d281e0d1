import { type AuthEvent, createClient } from '../../client/src/index.js';
import { decode } from './access-token.js';
import { createAccount } from './account.js';
import { createApi } from './api.js';
import { createDiagram } from './diagram.js';
import { byId } from './dom.js';
import { createEntrance } from './entrance.js';
import { createEventsPanel } from './events-panel.js';
import { createFaultsPanel } from './faults-panel.js';
import { createGenerations } from './generation.js';
import { createLinkAction } from './link-action.js';
import { createMailboxPanel } from './mailbox-panel.js';
import { announce, reasonInWords, say } from './news.js';
import { createProof } from './prove.js';
import { createSecondFactor } from './second-factor.js';
import { createSessionsPanel } from './sessions-panel.js';
import { loadSettings } from './settings.js';
import { createTokenPanel } from './token-panel.js';
import { createTricks } from './tricks.js';
import { createWatch } from './watched-fetch.js';

const settings = await loadSettings();
byId('service-name').textContent = settings.service_name;
document.title = `${settings.service_name} playground`;

const diagram = createDiagram();
const tricks = createTricks();
const generations = createGenerations({ canLook: settings.faults });
const watch = createWatch(diagram, tricks, () => void generations.look());
const client = createClient({ fetch: watch.fetchAs() });
const api = createApi(client, watch.fetchAs());

const entrance = createEntrance({ client, api, hasMailbox: settings.mailbox });
const account = createAccount({ client, api, hasMailbox: settings.mailbox });
const tokenPanel = createTokenPanel();
const secondFactor = createSecondFactor({ api, withRecentSignIn: createProof(client), onChange: loadPanels });
const sessionsPanel = createSessionsPanel(client, settings.faults, loadPanels);
const eventsPanel = createEventsPanel(api);
const faults = settings.faults ? createFaultsPanel({ client, watch, diagram, tricks, generations }) : null;
const linkAction = createLinkAction({ api, client, onPasswordReset: entrance.suggestSignIn, onDone: loadPanels });
if (settings.mailbox) createMailboxPanel(linkAction.open);

client.subscribe((event) => void hear(event));
await client.ready;
if (client.user === null) show();
else if (client.user === undefined) byId('waiting').textContent = 'The server does not answer. Trying again…';

async function hear(event: AuthEvent): Promise<void> {
  if (event.type === 'signed_out') {
    diagram.note(`signed out: ${event.reason}`, event.reason !== 'logout');
    announce(reasonInWords(event.reason));
    show(event.reason);
    return;
  }
  const decoded = decode(await client.getAccessToken());
  if (!decoded) return;
  watch.noteGeneration(decoded.claims.gen);
  generations.holds(decoded.claims);
  tokenPanel.show(decoded);
  account.show(event.user);
  diagram.note(event.type === 'signed_in' ? 'signed in' : `refreshed: generation ${decoded.claims.gen}`);
  announce(event.type === 'signed_in' ? 'Signed in.' : `Refreshed, generation ${decoded.claims.gen}.`);
  if (event.type === 'signed_in') show();
}

/** Draws anew for somebody else, or for nobody. */
function show(reason?: string): void {
  const isSignedIn = Boolean(client.user);
  const [before, after] = [byId('entrance'), byId('account')];
  byId('waiting').hidden = true;
  byId('sign-out-reason').hidden = reason === undefined;
  byId('sign-out-reason').toggleAttribute('data-bad', reason !== 'logout');
  byId('sign-out-reason').textContent = reason === undefined ? '' : reasonInWords(reason);
  // Whoever used what is about to vanish must not be thrown to the top of the page.
  const mustMoveFocus = (isSignedIn ? before : after).contains(document.activeElement);
  before.hidden = isSignedIn;
  after.hidden = !isSignedIn;
  secondFactor.reset();
  entrance.reset();
  faults?.allow(isSignedIn);
  if (isSignedIn) {
    say('');
    loadPanels();
    if (mustMoveFocus) byId('who').focus();
    return;
  }
  generations.holds(null);
  tokenPanel.clear();
  sessionsPanel.empty('Where you are signed in, once you are.');
  eventsPanel.empty('What the server records about your account.');
  if (reason !== undefined) {
    entrance.suggestSignIn();
    if (mustMoveFocus) byId('sign-out-reason').focus();
  }
}

function loadPanels(): void {
  if (!client.user) return;
  void sessionsPanel.load();
  void eventsPanel.load();
}
