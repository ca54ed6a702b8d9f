/** What "beeline realserver check" finds on real servers, seen over SSH. */

import { printableName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { RemoteHost } from '../../facts.js';
import type { Finding } from '../../finding.js';

const NAME = 'ssh-server-setup';

export const sshServerSetup: Check = {
  name: NAME,
  about: 'with --ssh: ARP settings, VIPs, servers and firewalls of the real servers',
  reads: ['remote'],
  find: ({ remote = [] }) => remote.flatMap(findingsOf),
};

/** Notes are about what nobody could see: they are no findings. */
const SEVERE: readonly string[] = ['error', 'warning'];

/** One finding for each condition: with 100 VIPs it would be the same 100 times. */
function findingsOf({ host, realServers, findings }: RemoteHost): Finding[] {
  const [subject = host] = realServers;
  const found = findings.filter(({ severity }) => SEVERE.includes(severity));
  const kinds = [...new Set(found.map(({ check, severity }) => `${check} ${severity}`))];
  return kinds.map((kind): Finding => {
    const same = found.filter(({ check, severity }) => `${check} ${severity}` === kind);
    const { severity, text } = same[0]!;
    const others = same.length === 1 ? '' : ` (and ${same.length - 1} more of this kind)`;
    const mends = [...new Set(same.flatMap(({ mend }) => (mend === undefined ? [] : [printableName(mend)])))];
    return {
      check: NAME,
      severity: severity === 'error' ? 'error' : 'warning',
      subject,
      text: `on real server ${subject}: ${printableName(text)}${others}`,
      evidence: [`SSH to ${host}`, ...same.slice(1, 1 + MOST).map((each) => printableName(each.text))],
      why: WHY[same[0]!.check] ?? 'The real server takes packets of clients wrongly, or not at all.',
      mend: mends.slice(0, 1 + MOST).map((command) => ({ on: 'real server', host: subject, command })),
    };
  });
}

/** The most others of a kind that are shown. */
const MOST = 4;

const WHY: Readonly<Partial<Record<string, string>>> = {
  address: 'Clients that the director sends to this real server get no answer.',
  'arp-ignore': 'Clients and routers that take its answer go straight to this real server, past the director.',
  'arp-announce': 'A neighbour that hears such a request sends what is for the VIP to this real server.',
  listener: 'Connections that the director sends to this real server are refused.',
  firewall: 'Packets of clients that the director sends to this real server may be dropped there.',
  'rp-filter': 'Packets of some clients are dropped on the real server, without a word.',
  boot: 'After the next boot the real server takes no packets for the VIP, or answers ARP for it.',
  'other-config': 'After the next boot the real server may answer ARP for the VIP.',
  'other-method': 'Two methods for one VIP hide each other: to remove one does not remove the other.',
};
