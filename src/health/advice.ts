/** What an agent or a file says of a real server, beside its checks. Pure. */

/**
 * Words for the state, as HAProxy's agent has them. `down`: it takes nothing. `drain`: no new flows. `maint`: the same as
 * `down`, because somebody works on it. `up`: as its checks say.
 */
export const ADVISED_STATES = ['up', 'down', 'drain', 'maint'] as const;
export type AdvisedState = (typeof ADVISED_STATES)[number];

/** Advice never overrules a failed check. What is left out stays as it is configured. */
export interface Advice {
  readonly state?: AdvisedState | undefined;
  /** In the place of the configured weight… */
  readonly weight?: number | undefined;
  /** … or so many percent of it. */
  readonly percent?: number | undefined;
}
