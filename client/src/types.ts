export type User = { id: string; email: string; email_verified: boolean; created_at: string };

/** One sign-in on one device, as token responses tell of it. Times are RFC 3339, in UTC. */
export type Session = { id: string; created_at: string; idle_expires_at: string; expires_at: string };

/** One of a person's sign-ins, as the list of them tells of it. */
export type ListedSession = Session & {
  current: boolean;
  last_used_at: string;
  user_agent: string | null;
  ip: string | null;
  device: string | null;
  transport: 'cookie' | 'body';
};

export type Credentials = { email: string; password: string };

/** What came of a password: a person who is signed in, or a second step for `verifySecondFactor`. */
export type SignIn = { user: User; mfaToken: undefined } | { user: null; mfaToken: string };

export type AuthEvent =
  | { type: 'signed_in'; user: User }
  | { type: 'refreshed'; user: User }
  /**
   * `reason` is the contract's: `logout`, `revoked`, `reuse_detected`, `password_changed`, `password_reset`,
   * `account_deleted`, `disabled`, `idle`, `absolute`; or the code of the refusal where that tells none, such as
   * `refresh_token_missing`.
   */
  | { type: 'signed_out'; reason: string };

/**
 * Where an app without cookies keeps what must outlive it: a place that only this app can read, such as the keychain.
 * Two keys are used, `gatehouse.refresh_token` and `gatehouse.known_device`. The shape is that of AsyncStorage.
 */
export type TokenStore = {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
};

export type ClientOptions = {
  /** Origin of Gatehouse, such as `https://auth.example.com`. Default: that of the page. */
  baseUrl?: string;
  /** Other origins that get the access token from `fetch`. Gatehouse and the page's own always do; no other ever does. */
  apiOrigins?: readonly string[];
  /** Refresh tokens travel in bodies and are kept here (Node, React Native). Without it the browser's cookie keeps them. */
  tokenStore?: TokenStore;
  /** What requests are made with. Default: the global `fetch`. */
  fetch?: typeof fetch;
};

export type Client = {
  /**
   * Settles, and never fails, once Gatehouse was asked whether there is a session, or nothing hints at one. When it
   * could not be reached, `user` is still `undefined`, and an event follows when it could.
   */
  readonly ready: Promise<void>;

  /** Who is signed in; `null`: nobody; `undefined`: not known yet. A failing network never changes it. */
  readonly user: User | null | undefined;

  /** The session of this sign-in, as last heard of; `null` and `undefined` as with `user`. */
  readonly session: Session | null | undefined;

  /** @returns the user, or `null` when the address must be verified by mail before the first sign-in */
  register(credentials: Credentials): Promise<User | null>;

  login(credentials: Credentials): Promise<SignIn>;

  /** @param code from the authenticator app, or one of the recovery codes */
  verifySecondFactor(step: { mfaToken: string; code: string }): Promise<User>;

  /** Proves once more who is there, for what answers `insufficient_user_authentication`. */
  reauthenticate(proof: { password: string; code?: string }): Promise<User>;

  /** Ends every other session of the person. */
  changePassword(change: { current_password: string; new_password: string }): Promise<User>;

  /**
   * Signs out here and in all tabs at once, and ends the session at Gatehouse.
   *
   * @throws GatehouseError when Gatehouse could not be told: it is told later, again and again
   */
  logout(): Promise<void>;

  readonly sessions: {
    /** Live ones, newest first. */
    list(): Promise<ListedSession[]>;
    /** Ending the one in use signs out. */
    end(id: string): Promise<void>;
    endOthers(): Promise<void>;
    endAll(): Promise<void>;
  };

  /**
   * A drop-in `fetch` that adds the access token for Gatehouse, for the page's own origin and for `apiOrigins`. A 401
   * about the token is answered by one refresh and one repetition; a body that can be sent only once is not repeated.
   */
  readonly fetch: typeof fetch;

  /**
   * A token that is good for a while, refreshed if need be; `null` when nobody is signed in.
   *
   * @throws GatehouseError when Gatehouse could not be asked, which is no reason to sign out
   */
  getAccessToken(): Promise<string | null>;

  /**
   * Asks for a new access token now, hint or no hint: before showing the form to sign in, for instance, since Safari
   * forgets hints after a week. @returns the user, or `null` when nobody is signed in
   */
  refresh(): Promise<User | null>;

  /** @returns a function that ends the subscription */
  subscribe(listener: (event: AuthEvent) => void): () => void;

  /** Lets go of timers, listeners and channels. Nobody is signed out. */
  close(): void;
};
