/** What to run next on each machine, after the configuration is written. Pure. */

import { DEFAULT_CONFIG_PATH, familyOf, type IpAddress, shellWord } from '../../model/index.js';
import type { Answers } from './answers.js';
import { type Candidate, isIn } from './machine.js';

export interface NextStep {
  /** The machine, in words. */
  readonly where: string;
  readonly command: string;
  readonly why: string;
}

/** @param own the interface as it is, if it is known */
export function nextSteps(answers: Answers, file: string, own: Candidate | undefined): NextStep[] {
  return [
    ...onDirector(answers, file),
    ...onRealServers(answers),
    ...onOtherDirector(answers, file, own),
    ...onRouter(answers, own),
    {
      where: 'this host, when all is set up',
      command: 'beeline doctor',
      why: 'see whether anything is wrong, here or on the real servers',
    },
  ];
}

function onDirector({ second }: Answers, file: string): NextStep[] {
  const isUsual = file === DEFAULT_CONFIG_PATH;
  const name = isUsual ? '' : ` ${shellWord(file)}`;
  const where = 'this host';
  return [
    { where, command: `beeline check${name}`, why: 'check the file, and what this host makes of it' },
    isUsual
      ? { where, command: 'systemctl enable --now beeline', why: 'start the director, now and at each boot' }
      : { where, command: `beeline run${name}`, why: 'start the director in the foreground' },
    ...(second === undefined
      ? [
          {
            where,
            command: `beeline vip add${isUsual ? '' : ` --config${name}`} --persist auto`,
            why: 'add the VIPs, now and at each boot',
          },
        ]
      : [
          {
            where,
            // A keepalived that runs already, with another configuration, must read this one.
            command: `beeline keepalived write${name} && systemctl enable keepalived && systemctl reload-or-restart keepalived`,
            why: 'keepalived adds the VIPs to the master of the two (docs/failover.md)',
          },
        ]),
    { where, command: 'beeline list', why: 'see real servers and packets' },
  ];
}

function onRealServers({ vips, realServers }: Answers): NextStep[] {
  const [first] = realServers;
  if (first === undefined) {
    return [];
  }
  const all = realServers.map(({ address }) => address).join(', ');
  const names = vips.join(' ');
  return [
    {
      where: `each real server (${all})`,
      command: `beeline realserver setup --vip ${names} --persist auto`,
      why: 'take packets for the VIPs, and answer no ARP for them',
    },
    {
      where: 'or from here, for a real server without Beeline',
      command: `beeline realserver script --vip ${names} | ssh root@${first.address} sh -s setup`,
      why: 'the same until the next boot (docs/real-server.md)',
    },
  ];
}

function onOtherDirector({ second }: Answers, file: string, own: Candidate | undefined): NextStep[] {
  if (second === undefined) {
    return [];
  }
  const family = familyOf(second.address);
  const here = (own?.addresses ?? [])
    .map((each) => each.split('/')[0]! as IpAddress)
    .find((each) => familyOf(each) === family);
  return [
    {
      where: `the other director (${second.address})`,
      command: `scp ${shellWord(file)} ${shellWord(`root@${family === 6 ? `[${second.address}]` : second.address}:${file}`)}`,
      why: `there, write "priority: 240" and "directors: [${here ?? 'the address of this host'}]", and run the same`,
    },
  ];
}

/** VIPs outside of the interface's networks: nobody asks for them by ARP. With a second director their next hop must move too. */
function onRouter({ vips, interface: name, second }: Answers, own: Candidate | undefined): NextStep[] {
  if (own === undefined) {
    return [];
  }
  const networks = own.addresses;
  const isNear = (vip: IpAddress): boolean => networks.some((network) => isIn(vip, network));
  const nextHops =
    second === undefined ? networks.map((each) => each.split('/')[0]! as IpAddress) : vips.filter(isNear);
  const unknown = second === undefined ? `THE ADDRESS OF ${name}` : `A VIP IN A NETWORK OF ${name}`;
  const moves = second === undefined ? '' : ', to an address that moves with them in a failover';
  return vips
    .filter((vip) => !isNear(vip))
    .flatMap((vip) => {
      const via = nextHops.find((each) => familyOf(each) === familyOf(vip));
      return [
        {
          where: 'the router of the clients',
          command: `ip ${familyOf(vip) === 6 ? '-6 ' : ''}route add ${vip} via ${via ?? unknown}`,
          why: `${vip} is in no network of ${name}: its packets come only by a route${moves}`,
        },
      ];
    });
}
