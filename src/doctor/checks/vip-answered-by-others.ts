/** The ARP problem: another host than the director answers for a VIP. */

import type { IpAddress, MacAddress } from '../../model/index.js';
import type { Check } from '../check.js';
import type { Facts, HeardMessage, ProbeFacts } from '../facts.js';
import type { Finding } from '../finding.js';

export const vipAnsweredByOthers: Check = {
  name: 'vip-answered-by-others',
  about: 'hosts that answer ARP or neighbour discovery for a VIP of the director: above all real servers',
  find: ({ director, probes }) =>
    probes === undefined ? [] : probes.vips.flatMap((each) => findingsOf(each, director, probes)),
};

function findingsOf(
  { vip, interface: name, answers }: ProbeFacts['vips'][number],
  { model }: Facts['director'],
  { realServers }: ProbeFacts,
): Finding[] {
  const macs = [...new Set(answers.map((each) => each.mac ?? each.sourceMac))];
  const directors = new Set<string>(model.directors ?? []);
  return macs.flatMap((mac) => {
    // The other director of a pair, which may have the VIP at this moment.
    if (directors.has(mac)) {
      return [];
    }
    const leaking = realServers.find((each) => each.macs.includes(mac))?.address;
    const evidence = answers.filter((each) => (each.mac ?? each.sourceMac) === mac).map(frameText);
    return [findingOf(vip, name, mac, leaking, [...new Set(evidence)])];
  });
}

function findingOf(
  vip: IpAddress,
  name: string,
  mac: MacAddress,
  leaking: IpAddress | undefined,
  evidence: readonly string[],
): Finding {
  const isV6 = vip.includes(':');
  const who = leaking === undefined ? `a host with the MAC ${mac}` : `real server ${leaking} (${mac})`;
  return {
    check: 'vip-answered-by-others',
    severity: 'error',
    subject: vip,
    text: `${who} answers for the VIP ${vip} on ${name}`,
    evidence,
    why:
      leaking === undefined
        ? 'Clients that take its answer reach that host instead of the director.'
        : 'Clients that take its answer go straight to that real server: past the scheduler, and to nobody once it is down.',
    mend:
      leaking === undefined
        ? [{ on: 'client', command: `find the host with the MAC ${mac}, and take ${vip} off it` }]
        : [
            { on: 'real server', host: leaking, command: `beeline realserver setup --vip ${vip} --persist auto` },
            ...(isV6
              ? [{ on: 'real server', host: leaking, command: `ip -6 addr add ${vip}/128 dev lo nodad` } as const]
              : [
                  {
                    ...({ on: 'real server', host: leaking } as const),
                    command:
                      'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 ' +
                      'net.ipv4.conf.lo.arp_ignore=1 net.ipv4.conf.lo.arp_announce=2',
                  } as const,
                ]),
          ],
  };
}

/** A message of ARP or neighbour discovery as tcpdump would show it. */
export function frameText({ protocol, address, mac, sourceMac, destinationMac, unasked }: HeardMessage): string {
  const says =
    protocol === 'ARP' ? `Reply ${address} is-at ${mac ?? sourceMac}` : `neighbor advertisement, tgt is ${address}`;
  return `${sourceMac} > ${destinationMac}, ${protocol}, ${unasked ? 'unasked ' : ''}${says}`;
}
