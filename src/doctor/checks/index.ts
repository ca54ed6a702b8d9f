/** All checks of the doctor, in the order of their findings. One file a check, or a few that look at the same evidence. */

import type { Check } from '../check.js';
import { directorWarnings } from './director-warnings.js';
import { HOST_CHECKS } from './host/index.js';
import { ipv6RouterAdvertisements } from './network/ipv6-router-advertisements.js';
import { mtuDiffers } from './network/mtu-differs.js';
import { neighbourBypassesDirector } from './network/neighbour-bypasses-director.js';
import { realServerForwardsVip } from './network/real-server-forwards-vip.js';
import { realServerGatewayIsDirector } from './network/real-server-gateway-is-director.js';
import { realServerIsDirector } from './network/real-server-is-director.js';
import { realServerOffLink } from './network/real-server-off-link.js';
import { realServerPortClosed } from './network/real-server-port-closed.js';
import { realServerUnreachable } from './network/real-server-unreachable.js';
import { realServerWithoutVip } from './network/real-server-without-vip.js';
import { sameMacTwice } from './network/same-mac-twice.js';
import { vipAnnouncedByOthers } from './network/vip-announced-by-others.js';
import { vipAnsweredByOthers } from './network/vip-answered-by-others.js';
import { vipDuplicate } from './network/vip-duplicate.js';
import { vipPrefix } from './network/vip-prefix.js';
import { vipUnanswered } from './network/vip-unanswered.js';

export const CHECKS: readonly Check[] = [
  vipAnsweredByOthers,
  vipAnnouncedByOthers,
  vipDuplicate,
  vipUnanswered,
  vipPrefix,
  neighbourBypassesDirector,
  realServerUnreachable,
  realServerOffLink,
  realServerWithoutVip,
  realServerForwardsVip,
  realServerPortClosed,
  realServerGatewayIsDirector,
  realServerIsDirector,
  sameMacTwice,
  mtuDiffers,
  ipv6RouterAdvertisements,
  ...HOST_CHECKS,
  directorWarnings,
];
