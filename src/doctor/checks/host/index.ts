/** The checks of this host: its settings, its network cards and its firewall. */

import type { Check } from '../../check.js';
import { arpSilent } from './arp-silent.js';
import { bpfSlow } from './bpf-slow.js';
import { bridgeFiltered } from './bridge-filtered.js';
import { checkPortsShared } from './check-ports-shared.js';
import { clockFree } from './clock-free.js';
import { conntrackFull } from './conntrack-full.js';
import { cpuSlow } from './cpu-slow.js';
import { firewallDrops } from './firewall-drops.js';
import { framesLost } from './frames-lost.js';
import { genericMode } from './generic-mode.js';
import { interruptsTogether, queuesFew, spreadUneven } from './queues.js';
import { ipv6Off, routerAdvertisementsIgnored } from './ipv6.js';
import { kernelOld, nodeOld } from './versions.js';
import { memoryShort, openFilesFew, stateDisk } from './resources.js';
import { neighboursTooMany } from './neighbours-too-many.js';
import { redirectsSent, reverseFilter } from './routing.js';
import { unsavedChanges } from './unsaved-changes.js';
import { otherInterfaceAnswers } from './other-interface-answers.js';
import { xdpForeign } from './xdp-foreign.js';

export const HOST_CHECKS: readonly Check[] = [
  ...[arpSilent, otherInterfaceAnswers, firewallDrops, ipv6Off, routerAdvertisementsIgnored, neighboursTooMany],
  ...[checkPortsShared, conntrackFull, bridgeFiltered, reverseFilter, redirectsSent],
  ...[kernelOld, xdpForeign, genericMode, framesLost, queuesFew, spreadUneven, interruptsTogether, bpfSlow, cpuSlow],
  ...[openFilesFew, memoryShort, stateDisk, unsavedChanges, clockFree, nodeOld],
];
