/** All checks of the doctor, in the order of their findings. One file a check, or a few that look at the same evidence. */

import type { Check } from '../check.js';
import { allPortsApart } from './configuration/all-ports.js';
import { checkTimes } from './configuration/check-times.js';
import { idleTimeouts } from './configuration/idle-timeouts.js';
import { noHealthChecks } from './configuration/no-health-checks.js';
import { serviceWithoutTakers } from './configuration/no-takers.js';
import { oneClientMostFlows } from './configuration/one-client.js';
import { persistenceApart } from './configuration/persistence-apart.js';
import { persistenceTwice } from './configuration/persistence-twice.js';
import { singleServer } from './configuration/single-server.js';
import { thresholdMismatch } from './configuration/thresholds.js';
import { weightsIgnored } from './configuration/weights-ignored.js';
import { directorWarnings } from './director-warnings.js';
import { HOST_CHECKS } from './host/index.js';
import { interfaceDown } from './network/interface-down.js';
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
import { vipAsSource } from './network/vip-as-source.js';
import { vipAnnouncedByOthers } from './network/vip-announced-by-others.js';
import { vipAnsweredByOthers } from './network/vip-answered-by-others.js';
import { vipDuplicate } from './network/vip-duplicate.js';
import { vipPrefix } from './network/vip-prefix.js';
import { vipUnanswered } from './network/vip-unanswered.js';
import { sshGateway } from './ssh/gateway.js';
import { sshMtu } from './ssh/mtu.js';
import { sshNeighbourCache } from './ssh/neighbour-cache.js';
import { sshServerSetup } from './ssh/server-setup.js';
import { sshTemporaryAddress } from './ssh/temporary-address.js';
import { vrrpAdvertisements } from './vrrp/advertisements.js';
import { vrrpIdTaken } from './vrrp/id-taken.js';
import { vrrpNoOwner } from './vrrp/no-owner.js';
import { vrrpNotReady } from './vrrp/not-ready.js';
import { vrrpPriorities } from './vrrp/priorities.js';
import { vrrpTwoOwners } from './vrrp/two-owners.js';

export const CHECKS: readonly Check[] = [
  interfaceDown,
  vipAnsweredByOthers,
  vipAnnouncedByOthers,
  vipDuplicate,
  vipUnanswered,
  vipPrefix,
  vipAsSource,
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
  // VRRP, by what was heard and by the configuration.
  vrrpTwoOwners,
  vrrpNoOwner,
  vrrpNotReady,
  vrrpIdTaken,
  vrrpAdvertisements,
  vrrpPriorities,
  // Real servers and other hosts, as they say over SSH.
  sshServerSetup,
  sshMtu,
  sshGateway,
  sshTemporaryAddress,
  sshNeighbourCache,
  // The configuration.
  serviceWithoutTakers,
  singleServer,
  weightsIgnored,
  thresholdMismatch,
  oneClientMostFlows,
  persistenceApart,
  persistenceTwice,
  allPortsApart,
  idleTimeouts,
  checkTimes,
  noHealthChecks,
  ...HOST_CHECKS,
  directorWarnings,
];
