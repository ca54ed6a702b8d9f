/** All checks of the doctor, in the order of their findings. One file a check, or a few that look at the same evidence. */

import type { Check } from '../check.js';
import { directorWarnings } from './director-warnings.js';
import { vipAnsweredByOthers } from './vip-answered-by-others.js';

export const CHECKS: readonly Check[] = [vipAnsweredByOthers, directorWarnings];
