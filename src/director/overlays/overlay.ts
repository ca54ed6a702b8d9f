/** The interface of overlays: rules that change the desired model for a time, although nobody asked for another one. */

import type { Model } from '../../model/index.js';

/**
 * One rule. What an operator asks of the configuration is no overlay but part of the desired model, as drains are: else not
 * everything that shows, saves or replaces changes would know of it (docs/adr/0027-drains-are-changes.md).
 *
 * To add an overlay, implement this in a file of this folder and pass it to `Overlays`.
 */
export interface Overlay {
  /**
   * Returns the model as this rule changes it, and changes nothing itself: plans ask, too. While neither the rule nor a
   * service changes, the result has the same object for that service: that is how unchanged services are told.
   */
  apply(model: Model): Model;
  /** Looks at what happened since the last round. Called once a round, before `apply`, with the desired model. */
  observe?(model: Model): void;
  /** When the result changes although nothing happens, in milliseconds since the machine started; undefined: never. */
  readonly due?: number | undefined;
}
