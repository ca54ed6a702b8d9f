/** Removing the data path that a daemon left behind. */

import { removePins } from '../dataplane/index.js';
import type { Instance } from './instance.js';
import { lockInstance } from './lock.js';
import { preflight } from './preflight.js';

/**
 * Takes the program off its interfaces and removes its maps; false when there was nothing.
 *
 * @throws BeelineError `ALREADY_RUNNING` when a daemon has started meanwhile
 */
export function detachDataPath(instance: Instance): boolean {
  preflight();
  using _lock = lockInstance(instance);
  return removePins(instance.pinDirectory);
}
