/** Whether this director may be master: mastership follows forwarding, and does not flap. Pure but for what it remembers. */

/** How long an essential service must be without a real server before mastership is given up. A reload takes less. */
export const LOST_MS = 500;
/** So long after the daemon's start, what the one before decided goes on while checks have no results yet. */
export const START_MS = 10_000;
/** How long real servers that nothing essential needs may take to be found, before mastership is taken without them. */
export const FOUND_MS = 3_000;
/** How long the flows of the other director may take to come, before mastership is taken without them. */
export const BEHIND_MS = 10_000;
/** After mastership was given up, everything must be well for so long; twice as long each time it is given up again. */
export const FIRST_HOLD_MS = 2_000;
export const LAST_HOLD_MS = 60_000;
/** For so long it is remembered that mastership was given up. */
export const REMEMBERED_MS = 600_000;

/** What speaks against mastership at a moment, as text. */
export interface Against {
  /** Packets are not forwarded: mastership ends at once. */
  readonly forwarding: readonly string[];
  /** Essential services without a real server that is up. */
  readonly essential: readonly string[];
  /** Real servers whose MAC is not known yet. It delays mastership, and never ends it. */
  readonly missing: readonly string[];
  /** Flows of the other director that are not known here yet. It delays mastership, and never ends it. */
  readonly behind?: readonly string[];
  /** Somebody asked to give mastership up. */
  readonly asked: readonly string[];
}

export interface Decision {
  readonly may: boolean;
  /** Why not, or why soon not; empty: everything is well. */
  readonly reasons: readonly string[];
  /** When to decide again although nothing happens, in the milliseconds of `now`. */
  readonly due?: number | undefined;
}

export class Decider {
  #may: boolean;
  readonly #startedAt: number;
  /** When mastership was given up because something failed. */
  #losses: number[] = [];
  /** Since when essential services have had nothing; undefined: they have. */
  #lostSince: number | undefined;
  /** Since when nothing speaks against it. */
  #wellSince: number | undefined;
  /** Since when only real servers that are missing speak against it. */
  #missingSince: number | undefined;
  /** Since when only the flows of the other director do. */
  #behindSince: number | undefined;

  /** @param may what the last daemon decided; packets are forwarded by it still */
  constructor(may: boolean, now: number) {
    this.#may = may;
    this.#startedAt = now;
  }

  decide(against: Against, now: number): Decision {
    this.#losses = this.#losses.filter((at) => now - at < REMEMBERED_MS);
    return this.#may ? this.#keep(against, now) : this.#take(against, now);
  }

  #keep({ forwarding, essential, asked }: Against, now: number): Decision {
    if (asked.length > 0) {
      return this.#giveUp(asked);
    }
    if (forwarding.length > 0) {
      this.#losses.push(now);
      return this.#giveUp(forwarding);
    }
    if (essential.length === 0) {
      this.#lostSince = undefined;
      return { may: true, reasons: [] };
    }
    this.#lostSince ??= now;
    const until = Math.max(this.#lostSince + LOST_MS, this.#startedAt + START_MS);
    if (now < until) {
      return { may: true, reasons: essential, due: until };
    }
    this.#losses.push(now);
    return this.#giveUp(essential);
  }

  #giveUp(reasons: readonly string[]): Decision {
    this.#may = false;
    this.#lostSince = undefined;
    this.#wellSince = undefined;
    this.#missingSince = undefined;
    this.#behindSince = undefined;
    return { may: false, reasons };
  }

  #take({ forwarding, essential, missing, behind = [], asked }: Against, now: number): Decision {
    const fatal = [...asked, ...forwarding, ...essential];
    if (fatal.length > 0) {
      this.#wellSince = undefined;
      this.#missingSince = undefined;
      this.#behindSince = undefined;
      return { may: false, reasons: fatal };
    }
    if (missing.length > 0) {
      this.#missingSince ??= now;
      const until = this.#missingSince + FOUND_MS;
      if (now < until) {
        return { may: false, reasons: missing, due: until };
      }
    }
    if (behind.length > 0) {
      this.#behindSince ??= now;
      const until = this.#behindSince + BEHIND_MS;
      if (now < until) {
        return { may: false, reasons: behind, due: until };
      }
    }
    this.#wellSince ??= now;
    const until = this.#wellSince + holdMs(this.#losses.length);
    if (now < until) {
      return { may: false, reasons: ['it was given up, and waits until everything stays well'], due: until };
    }
    this.#may = true;
    return { may: true, reasons: [] };
  }
}

/** @param losses how often mastership was given up lately because something failed */
export function holdMs(losses: number): number {
  return losses === 0 ? 0 : Math.min(LAST_HOLD_MS, FIRST_HOLD_MS * 2 ** (losses - 1));
}
