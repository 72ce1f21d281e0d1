import { byId, make } from './dom.js';
import { messageOf } from './form.js';
import { announce } from './news.js';
import {
  goOffline,
  letTokenExpire,
  loseNextAnswer,
  refreshFromFiveTabs,
  replayAsThief,
  type Stage,
  signOutEverywhere,
} from './scenes.js';

type Scene = { id: string; title: string; text: string; play: (stage: Stage) => Promise<string> };

/** What goes wrong: what one is going to see, and why it is so. */
const SCENES: Scene[] = [
  {
    id: 'lose-answer',
    title: 'Lose the next answer',
    text: 'The server rotates your session, but its answer never arrives, as on a train that enters a tunnel. The client asks again with the old token and gets the very same successor: as long as nobody has used that one, a retry cannot be theft.',
    play: loseNextAnswer,
  },
  {
    id: 'five-tabs',
    title: 'Refresh from five tabs at once',
    text: 'Five tabs wake at the same moment and all send the same cookie. One of them rotates the session and the others get the same successor, so no tab pulls the token out from under another.',
    play: refreshFromFiveTabs,
  },
  {
    id: 'thief',
    title: 'Replay an old token as a thief',
    text: 'Somebody presents a refresh token that you used up two rotations ago, which only a copy can explain. The server cannot know which of you is the thief, so it ends the session for both: you sign in again, and they cannot.',
    play: replayAsThief,
  },
  {
    id: 'expire',
    title: 'Let the token expire',
    text: 'Your next request carries an access token that has just expired, as when a laptop wakes from sleep. The client answers the 401 with one refresh and the same request again, so the app sees nothing but the 200.',
    play: letTokenExpire,
  },
  {
    id: 'offline',
    title: 'Take the server offline',
    text: 'For ten seconds every connection breaks, just as your token is about to run out. The client tries again after ever longer pauses and keeps you signed in, because silence says nothing about your session.',
    play: goOffline,
  },
  {
    id: 'everywhere',
    title: 'Sign out everywhere',
    text: 'All your sessions end, this one included. Every access token of theirs is refused from that moment on, without a database query per request, and the client learns the reason when it next asks.',
    play: signOutEverywhere,
  },
];

const SIGN_IN_FIRST = 'Sign in first: these happen to a session of yours.';
const ONE_AT_A_TIME = 'One at a time: see the diagram.';

/** The buttons for what goes wrong, where the service lets it. One plays at a time, and only for who is signed in. */
export function createFaultsPanel(stage: Omit<Stage, 'tell'>) {
  const hint = byId('faults-hint');
  let isSignedIn = false;
  let playing: Scene | null = null;

  const items = SCENES.map((scene) => {
    const start = make('button', { type: 'button', class: 'secondary', id: scene.id }, scene.title);
    start.setAttribute('aria-describedby', `${scene.id}-text`);
    const outcome = make('p', { class: 'outcome', id: `${scene.id}-outcome` });
    start.addEventListener('click', () => void play(scene, outcome));
    const text = make('p', { id: `${scene.id}-text` }, scene.text);
    return { start, outcome, item: make('li', {}, start, text, outcome) };
  });
  byId('scenes').replaceChildren(...items.map(({ item }) => item));
  byId('faults').hidden = false;
  draw();

  async function play(scene: Scene, outcome: HTMLElement): Promise<void> {
    if (playing || !isSignedIn) return;
    playing = scene;
    for (const other of items) other.outcome.textContent = '';
    draw();
    const tell = (text: string) => {
      outcome.textContent = text;
    };
    tell('Playing…');
    stage.diagram.scene(scene.title);
    const came = await scene.play({ ...stage, tell }).catch(messageOf);
    tell(came);
    announce(came);
    stage.diagram.sceneEnd(came);
    playing = null;
    draw();
  }

  /** Not `disabled`: whoever comes by keyboard must be able to read why not. */
  function draw(): void {
    const why = playing ? ONE_AT_A_TIME : isSignedIn ? '' : SIGN_IN_FIRST;
    hint.textContent = why;
    for (const { start, outcome } of items) {
      start.setAttribute('aria-disabled', String(why !== ''));
      outcome.toggleAttribute('data-playing', playing !== null && start.id === playing.id);
      start.setAttribute('aria-describedby', why ? `faults-hint ${start.id}-text` : `${start.id}-text`);
    }
  }

  return {
    allow(signedIn: boolean): void {
      isSignedIn = signedIn;
      draw();
    },
  };
}
