/** One moment by two clocks, by which times in a file are read again in another life of the machine. */

export interface Moment {
  /** Names the life of the machine in which `bootMs` counts. */
  readonly boot: string;
  /** Milliseconds since the machine started: nobody sets this clock. */
  readonly bootMs: number;
  /** Milliseconds of the wall clock, which goes on while the machine is off, and which people and NTP set. */
  readonly wallMs: number;
}

/**
 * Returns how much must be added to times since boot that were written at `then`, so that they are times of the present boot.
 * Only what passed between two boots is measured by the wall clock.
 */
export function shiftBetween(then: Moment, now: Moment): number {
  return then.boot === now.boot ? 0 : shiftFromWall(now) - shiftFromWall(then);
}

/** Returns how much must be added to a time of the wall clock. */
export function shiftFromWall({ bootMs, wallMs }: Moment): number {
  return bootMs - wallMs;
}
