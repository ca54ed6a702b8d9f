/** What an agent or a file says of a real server, beside its checks. Pure. */

/**
 * Words for the state, as HAProxy's agent has them. `up`: as its checks say. `drain`: no new flows. `down`: it takes nothing.
 * `maint`: the same, because somebody works on it. Of several the one that comes later here decides.
 */
export const ADVISED_STATES = ['up', 'drain', 'down', 'maint'] as const;
export type AdvisedState = (typeof ADVISED_STATES)[number];

/** Returns the one that keeps most away. */
export function mostCautious(states: readonly (AdvisedState | undefined)[]): AdvisedState | undefined {
  return ADVISED_STATES.findLast((each) => states.includes(each));
}

/** What gave it: checks of one type, or of both. */
export type AdviceSource = 'agent' | 'file' | 'both';

/** Advice never overrules a failed check. What is left out stays as it is configured. */
export interface Advice {
  readonly state?: AdvisedState | undefined;
  /** In the place of the configured weight… */
  readonly weight?: number | undefined;
  /** … or so many percent of it. */
  readonly percent?: number | undefined;
  /** Of advice that all checks of a real server gave together. */
  readonly source?: AdviceSource | undefined;
}

/** Returns who gave it, as the begin of a sentence. */
export function adviserText({ source = 'agent' }: Pick<Advice, 'source'>): string {
  return source === 'both' ? 'its agent or file' : `its ${source}`;
}
