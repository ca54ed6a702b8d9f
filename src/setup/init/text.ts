/** Writes the answers as a configuration with comments. Pure. */

import { parseConfig } from '../../config/index.js';
import { BeelineError, familyOf, type IpAddress } from '../../model/index.js';
import type { Answers, Check, RealServer } from './answers.js';

/** The highest priorities: the higher they are, the sooner another director takes over (docs/failover.md). */
const PRIORITIES = { first: 250, second: 240 } as const;
/** Seconds between advertisements: 0.3 s to a takeover. */
const INTERVAL = 0.1;

/** @throws BeelineError `INTERNAL` if the text would be no configuration: a mistake of this file */
export function configText(answers: Answers): string {
  const text = [head(answers), ...(answers.second ? [vrrp(answers)] : []), services(answers)].join('\n');
  try {
    parseConfig(text, 'the new configuration');
  } catch (error) {
    throw new BeelineError('INTERNAL', `these answers give no configuration: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return text;
}

/** A plain scalar where YAML reads it as the same text. */
function scalar(text: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text) && !/^(\d|true|false|null|yes|no|on|off|y|n|~)/i.test(text)
    ? text
    : JSON.stringify(text);
}

function address(ip: IpAddress): string {
  return familyOf(ip) === 4 ? ip : `'${ip}'`;
}

function head({ interface: name, mode }: Answers): string {
  const modes =
    mode === 'generic'
      ? '# The driver of the network card runs no XDP programs: they run after it, in the kernel.\nmode: generic\n'
      : '';
  return `# Beeline's configuration, begun by "beeline init". "man beeline.yaml" describes every key, "beeline check" checks it.

# Packets for the VIPs come by this interface, and leave by it for the real servers.
interfaces: [${scalar(name)}]
${modes}`;
}

function vrrp({ second }: Answers): string {
  const { address: other, id } = second!;
  return `# The other director. On that host, write this one's address here.
directors: [${address(other)}]

# One of the two has the VIPs: keepalived decides it, and "beeline keepalived write" writes its configuration.
vrrp:
  instances:
    # The same id on both, and on no other router of this network. The other director has the priority ${PRIORITIES.second}.
    - { id: ${id}, priority: ${PRIORITIES.first}, interval: ${INTERVAL} }
`;
}

function services(answers: Answers): string {
  const { vips, ports } = answers;
  const all = vips.flatMap((vip) => ports.map((port) => service(vip, port, answers)));
  return `# What clients connect to, and the real servers behind it.\nservices:\n${all.join('\n')}`;
}

function service(vip: IpAddress, port: number, answers: Answers): string {
  const { protocol, scheduler, persistence, check, realServers } = answers;
  const own = realServers.filter((each) => familyOf(each.address) === familyOf(vip));
  const lines = [
    `  - address: ${address(vip)}`,
    `    port: ${port}`,
    ...(protocol === 'udp' ? ['    protocol: udp'] : []),
    ...(scheduler === 'maglev' ? [] : [`    scheduler: ${scheduler}`]),
    ...(persistence === 0
      ? []
      : [
          '    # A client keeps its real server for so many seconds after its last connection.',
          `    persistence: ${persistence}`,
        ]),
    ...healthLines(check),
    '    realServers:',
    ...own.map((each) => `      - ${realServer(each)}`),
  ];
  return `${lines.join('\n')}\n`;
}

function healthLines(check: Check): string[] {
  if (check === 'none') {
    return [];
  }
  const value = check.startsWith('dns:')
    ? `{ checks: { type: dns, name: ${JSON.stringify(check.slice('dns:'.length))} } }`
    : check;
  return ['    # Asked of the VIP through each real server: one that fails gets no clients.', `    health: ${value}`];
}

function realServer({ address: ip, weight }: RealServer): string {
  return weight === 1 ? address(ip) : `{ address: ${address(ip)}, weight: ${weight} }`;
}
