/** The interface of overlays: rules that change the desired model for a time. */

import type { IpAddress, Model } from '../../model/index.js';

/** One real server of one service. */
export interface RealServerKey {
  /** As people write it: "tcp 192.168.1.100:80". */
  readonly service: string;
  readonly address: IpAddress;
}

/** Flows that a real server still has; `uncertain`: there may be others that were silent for a while. */
export interface FlowsLeft {
  readonly flows: number;
  readonly uncertain: boolean;
}

/** Tells how many flows a real server of a service has. */
export type FlowsLeftOf = (service: string, address: IpAddress) => FlowsLeft;

/**
 * One rule. The director calls `apply` once a round; all other methods change the rule's state, or read it.
 *
 * To add an overlay, implement this in a file of this folder and pass it to `Overlays`.
 */
export interface Overlay {
  /**
   * Returns the model as this rule changes it. While neither the rule nor a service changes, the result has the same
   * object for that service: that is how unchanged services are told.
   */
  apply(model: Model): Model;

  /**
   * Returns the model without the real servers that this rule removed for good: what `beeline save` writes.
   *
   * @param only consider this real server alone
   */
  withoutRemoved(model: Model, only?: RealServerKey): Model;

  /** Forgets services and real servers that the desired model no longer has. */
  keepOnly(model: Model): void;

  /** Ends what the rule does to a real server, because an edit names it. */
  end(realServer: RealServerKey): void;

  /** Ends all that the rule does, because a configuration was loaded. Returns what ended, for the log. */
  clear(): readonly string[];

  /** Returns a function that restores the present state, for a change that may be refused. */
  checkpoint(): () => void;

  /** Follows the flows and the clock. Returns what changed, for the log. @param now milliseconds since the machine started */
  advance(flowsLeft: FlowsLeftOf, now: number): readonly string[];

  /** Writes the state, if it changed since the last call, so that the next daemon goes on with it. Never rejects. */
  keep(): Promise<void>;
}
