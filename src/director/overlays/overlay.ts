/** The interface of overlays: rules that change the desired model for a time, although nobody asked for another one. */

import type { Model } from '../../model/index.js';

/**
 * One rule. What an operator asks for is no overlay but part of the desired model, as drains are: else not everything that
 * shows, saves or replaces changes would know of it (docs/adr/0027-drains-are-changes.md).
 *
 * To add an overlay, implement this in a file of this folder and pass it to `Overlays`.
 */
export interface Overlay {
  /**
   * Returns the model as this rule changes it. Called once a round. While neither the rule nor a service changes, the
   * result has the same object for that service: that is how unchanged services are told.
   */
  apply(model: Model): Model;
}
