/** All conditions of a real server, one after another. Pure. */

import { checkAddress, checkOtherWay } from './address.js';
import { checkArp, checkReversePath } from './arp.js';
import { checkBoot, checkConfigs } from './boot.js';
import type { CheckFacts, CheckWish, Finding, VipPorts } from './finding.js';
import { checkFirewall, checkListeners } from './server.js';

export function checkAll(wish: CheckWish, facts: CheckFacts): Finding[] {
  return [
    ...wish.vips.flatMap((each) => {
      const {
        listen,
        listenUdp = [],
        pass,
      }: VipPorts = wish.portsOf?.get(each.vip) ?? { listen: wish.ports, pass: wish.ports };
      return [
        ...checkAddress(each, facts),
        ...checkArp(each, facts),
        ...checkOtherWay(each, facts),
        ...checkListeners(each, listen, facts),
        ...checkListeners(each, listenUdp, facts, 'UDP'),
        // A rule for some of all ports says nothing of the others.
        ...(pass === undefined ? [] : checkFirewall(each, pass, facts)),
      ];
    }),
    ...checkReversePath(facts),
    ...checkBoot(wish, facts),
    ...checkConfigs(wish, facts),
  ];
}

/** 0: fine, 1: warnings, 2: errors. */
export function checkStatus(findings: readonly Finding[]): 0 | 1 | 2 {
  const has = (severity: Finding['severity']): boolean => findings.some((each) => each.severity === severity);
  return has('error') ? 2 : has('warning') ? 1 : 0;
}
