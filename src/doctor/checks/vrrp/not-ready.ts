/** A director that would not take the VIPs of a virtual router over, as its daemon says. Until it has to, nobody notices. */

import type { VrrpInstanceReport, VrrpReport } from '../../../control/index.js';
import type { Check } from '../../check.js';
import type { Finding, Mend } from '../../finding.js';
import { listOf } from '../../words.js';
import { brokenInterfaces } from '../network/interface-down.js';
import { vrrpNoOwner } from './no-owner.js';
import { vrrpTwoOwners } from './two-owners.js';

const NAME = 'vrrp-not-ready';

export const vrrpNotReady: Check = {
  name: NAME,
  about:
    'a director that would not take the VIPs over: keepalived does not run here, does not know the router, or may not',
  reads: ['network', 'probes'],
  find: (facts) => {
    const { director, network } = facts;
    const { vrrp } = director.status ?? {};
    if (vrrp === undefined || (network !== undefined && brokenInterfaces(director.model, network).length > 0)) {
      return [];
    }
    // Where traffic is harmed already, those say so, with what keepalived does here.
    const isTold = [vrrpTwoOwners, vrrpNoOwner].some(({ find }) => find(facts).length > 0);
    return isTold ? [] : findingsOf(vrrp);
  },
};

function findingsOf(vrrp: VrrpReport): Finding[] {
  const { instances, mayBeMaster, reasons, givenUpSince, keepalived } = vrrp;
  const inState = (state: string): VrrpInstanceReport[] => instances.filter((each) => each.state === state);
  if (keepalived === 'gone') {
    // keepalived with a configuration of somebody else's may have them all the same: the daemon warns of that.
    return instances.some(({ addresses }) => addresses.some(({ here }) => here))
      ? []
      : [findingOf(instances, ofGone(inState('UNKNOWN').length === instances.length))];
  }
  if (!mayBeMaster) {
    return [findingOf(instances, ofForbidden(reasons, givenUpSince))];
  }
  const [unknown, faulty] = [inState('UNKNOWN'), inState('FAULT')];
  return [
    ...(unknown.length === 0 ? [] : [findingOf(unknown, UNKNOWN)]),
    ...(faulty.length === 0 ? [] : [findingOf(faulty, FAULTY)]),
  ];
}

interface Reason {
  readonly text: string;
  readonly evidence: readonly string[];
  readonly mend: readonly Mend[];
}

/** @param isNew keepalived never said anything */
function ofGone(isNew: boolean): Reason {
  const write: Mend = { on: 'director', command: 'beeline keepalived write' };
  return {
    text: 'keepalived does not run on this host, or without the configuration that "beeline keepalived write" makes',
    evidence: ['"beeline status": keepalived is gone'],
    mend: [...(isNew ? [write] : []), { on: 'director', command: 'systemctl enable --now keepalived' }],
  };
}

function ofForbidden(reasons: readonly string[], givenUpSince: string | undefined): Reason {
  return {
    text: 'this director may not be master',
    evidence: reasons.map((each) => `"beeline status": ${each}`),
    mend: [
      givenUpSince === undefined
        ? { on: 'director', command: 'mend what "beeline status" says' }
        : { on: 'director', command: 'beeline failover --take' },
    ],
  };
}

const UNKNOWN: Reason = {
  text: 'keepalived runs on this host, and says nothing of it',
  evidence: ['"beeline status": UNKNOWN'],
  mend: [{ on: 'director', command: 'beeline keepalived write && systemctl reload keepalived' }],
};

const FAULTY: Reason = {
  text: 'keepalived says FAULT, although this director may be master',
  evidence: ['"beeline status": FAULT'],
  mend: [{ on: 'director', command: 'journalctl -u keepalived' }],
};

function findingOf(instances: readonly VrrpInstanceReport[], { text, evidence, mend }: Reason): Finding {
  const names = instances.map(({ name }) => name);
  return {
    ...{ check: NAME, severity: 'warning', subject: names[0] ?? 'vrrp', evidence, mend },
    text: `vrrp ${listOf(names)}: ${text}`,
    why: 'When the master ends, this host does not take its VIPs: nobody serves the clients, unless there is a third director.',
  };
}
