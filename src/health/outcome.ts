/** The result of one check, and how people read it. */

/**
 * How far a check got before it ended. L3: no answer, or a router's. L4: the port. L6: TLS. L7: what the program behind
 * the port said.
 */
export const LAYERS = ['L3', 'L4', 'L6', 'L7'] as const;
export type Layer = (typeof LAYERS)[number];

export interface Outcome {
  readonly passed: boolean;
  /** The layer that decided. */
  readonly layer: Layer;
  /** Completes "L4": "refused", "ok". */
  readonly words: string;
  /** How long the check took, in milliseconds. */
  readonly ms: number;
}

/** "L7 status 503, 12 ms" */
export function outcomeText({ layer, words, ms }: Outcome): string {
  const rounded = ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms);
  return `${layer} ${words}, ${rounded} ms`;
}
