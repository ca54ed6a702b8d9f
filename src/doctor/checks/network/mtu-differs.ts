/** MTUs that differ between the director, its interfaces and its real servers. */

import type { Check } from '../../check.js';
import type { Facts, NetworkFacts, ProbeFacts, RealServerProbe } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { few, outcomeText } from '../../words.js';

export const mtuDiffers: Check = {
  name: 'mtu-differs',
  about: "real servers that a packet as long as the interface's MTU does not reach, and interfaces of different MTUs",
  reads: ['network', 'probes'],
  find: ({ director: { model }, network, probes }) => [
    ...few(probes?.realServers.flatMap((each) => ofRealServer(each, probes)) ?? [], 'real servers'),
    ...(network === undefined ? [] : ofInterfaces(model.interfaces, network, probes)),
  ],
};

function ofRealServer(
  { address, interface: name, ping, longPing }: RealServerProbe,
  { interfaces }: ProbeFacts,
): Finding[] {
  const mtu = interfaces.find((each) => each.name === name)?.mtu;
  if (mtu === undefined || ping?.kind !== 'answer' || longPing === undefined || longPing.kind === 'answer') {
    return [];
  }
  return [
    {
      check: 'mtu-differs',
      severity: 'warning',
      subject: address,
      text: `packets of ${mtu} bytes, the MTU of ${name}, do not reach real server ${address} and back`,
      evidence: [`ping: ${outcomeText(ping)}`, `ping of ${mtu} bytes, not to be fragmented: ${outcomeText(longPing)}`],
      why:
        'Its MTU, or that of a switch on the way, is smaller: long packets of clients vanish there, and nobody tells the ' +
        'client. Small pages work, uploads hang.',
      mend: [
        { on: 'real server', host: address, command: `ip link set INTERFACE mtu ${mtu}, and the same on the switch` },
        { on: 'director', command: `ip link set ${name} mtu of the smallest` },
      ],
    },
  ];
}

/** The director's interfaces, and those that lead to real servers. */
function ofInterfaces(names: readonly string[], { links }: NetworkFacts, probes: Facts['probes']): Finding[] {
  const used = new Set([...names, ...(probes?.realServers.map((each) => each.interface) ?? [])]);
  const linked = links.filter(({ name }) => used.has(name));
  const mtus = linked.map(({ mtu }) => mtu);
  const [least, most] = [Math.min(...mtus), Math.max(...mtus)];
  if (linked.length < 2 || least === most) {
    return [];
  }
  return [
    {
      check: 'mtu-differs',
      severity: 'note',
      subject: linked.find(({ mtu }) => mtu === least)!.name,
      text: `the director's interfaces have different MTUs: ${linked.map(({ name, mtu }) => `${name} ${mtu}`).join(', ')}`,
      evidence: ['ip link'],
      why: `What is longer than ${least} bytes and leaves by the smaller one is answered by "fragmentation needed".`,
      mend: [{ on: 'director', command: 'ip link set INTERFACE mtu SIZE, the same on all' }],
    },
  ];
}
