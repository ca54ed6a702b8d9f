/** Files of keepalived whose virtual servers keepalived itself can make, beside those in test/golden/import/keepalived. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = 'test/golden/import/keepalived';

/** What ends keepalived 2.2.7, or what it reads in another way, as the report says. */
const CHANGES: readonly (readonly [RegExp, string])[] = [
  // It ends without its certificates, with millions of services, and with a range over the end of its last byte or group.
  [/^SSL \{[^}]*\}\n/m, ''],
  [/^virtual_server_group BROKEN \{[^}]*\}\n/m, ''],
  [/192\.168\.1\.254-192\.168\.2\.1/, '192.168.1.250-192.168.1.253'],
  [/fd00::1ff-fd00::200/, 'fd00::1fe-fd00::1ff'],
  // The "}" of a block that it does not know ends the block around.
  [/__proto__ \{ polluted yes \}/, ''],
  // Only NAT reaches another port than the virtual server's.
  [/^ *real_server 192\.168\.1\.31 8080 \{\n *TCP_CHECK \{\n *\}\n *\}\n(?= *real_server 192\.168\.1\.32 80 \{)/m, ''],
];

/** In this order: the last one has a "}" too many, after which keepalived reads nothing. */
const FILES =
  'checks conditions definitions direct-routing fwmark groups include ipv6 nat-and-tunnels quorum odd-form'.split(' ');

/** Returns golden files as one configuration, "all.conf", by names: each is included, and has a network of its own. */
export function allFiles(): Record<string, string> {
  const texts = new Map<string, string>();
  for (const { parentPath, name } of readdirSync(FOLDER, { recursive: true, withFileTypes: true })) {
    const path = join(parentPath, name).slice(FOLDER.length + 1);
    const network = FILES.indexOf(path.includes('/') ? 'include' : path.replace(/\.conf$/, ''));
    if (network >= 0 && /\.(?:conf|inc|off)$/.test(name)) {
      const text = readFileSync(join(FOLDER, path), 'utf8');
      const changed = CHANGES.reduce((before, [from, to]) => before.replace(from, to), text);
      texts.set(path, changed.replaceAll('192.168.1.', `192.168.${100 + network}.`));
    }
  }
  texts.set('neighbours.conf', NEIGHBOURS.join(''));
  texts.set('all.conf', ['neighbours', ...FILES].map((name) => `include ${name}.conf\n`).join(''));
  return Object.fromEntries(texts);
}

/** One virtual server each; `N` is another number in each of them. */
const POLICIES: readonly (readonly [title: string, lines: string, servers?: string | undefined, explained?: RegExp])[] =
  [
    ...['rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'sh', 'mh', 'dh', 'fo', 'ovf', 'lblc', 'lblcr'].map(
      (name): [string, string] => [`scheduler ${name}`, `lvs_sched ${name}`],
    ),
    ['no scheduler', ''],
    ['an unknown scheduler', 'lvs_sched wllc'],
    ['flags of sh', 'lvs_sched sh\nsh-port\nsh-fallback'],
    ['flags of mh', 'lvs_sched mh\nmh-port\nmh-fallback'],
    ['numbered flags', 'lvs_sched mh\nflag-1\nflag-2'],
    ['persistence', 'lvs_sched rr\npersistence_timeout 120'],
    ['persistence by default', 'lvs_sched rr\npersistence_timeout'],
    ['no persistence', 'lvs_sched rr\npersistence_timeout 0'],
    ['persistence of networks', 'lvs_sched rr\npersistence_timeout 60\npersistence_granularity 255.255.240.0'],
    ['persistence of networks by default', 'lvs_sched rr\npersistence_granularity 255.255.255.0'],
    ['UDP', 'lvs_sched rr\nprotocol UDP'],
    ['one packet', 'lvs_sched rr\nprotocol UDP\nops'],
    ['one packet of TCP', 'lvs_sched rr\nops'],
    [
      'one packet with persistence',
      'lvs_sched rr\nprotocol UDP\nops\npersistence_timeout 60',
      undefined,
      /^ops: left out beside persistence/,
    ],
    ['weights of all', 'lvs_sched wrr\nweight 5'],
    ['weights', 'lvs_sched wrr', 'real_server 10.9.0.1 80 {\nweight 0\n}\nreal_server 10.9.0.2 80 {\nweight 65535\n}'],
    ['thresholds', 'lvs_sched wlc', 'real_server 10.9.0.1 80 {\nuthreshold 100\nlthreshold 20\n}'],
    ['an upper threshold', 'lvs_sched wlc', 'real_server 10.9.0.1 80 {\nuthreshold 100\n}'],
    [
      'a lower threshold',
      'lvs_sched wlc',
      'real_server 10.9.0.1 80 {\nlthreshold 20\n}',
      /^lthreshold: .* IPVS refuses/,
    ],
    [
      'a lower threshold above the upper one',
      'lvs_sched wlc',
      'real_server 10.9.0.1 80 {\nuthreshold 5\nlthreshold 20\n}',
      /^lthreshold: .* IPVS refuses/,
    ],
    ['no weight with inhibit', 'lvs_sched wrr\ninhibit_on_failure'],
    ['alpha without checks', 'lvs_sched wrr\nalpha'],
    ['alpha', 'lvs_sched wrr\nalpha', checked(1) + checked(2)],
    ['alpha and omega', 'lvs_sched wrr\nalpha\nomega', checked(1) + checked(2)],
    ['alpha with inhibit', 'lvs_sched wrr\nalpha\ninhibit_on_failure', checked(1) + checked(2)],
    ['alpha with a sorry server', 'lvs_sched wrr\nalpha\nsorry_server 10.9.0.9 80', checked(1) + checked(2)],
    ['alpha of a real server', 'lvs_sched wrr', checked(1, 'alpha') + checked(2)],
    ['alpha of a checker', 'lvs_sched wrr', checked(1, '', 'alpha') + checked(2)],
    ['no alpha of a checker', 'lvs_sched wrr\nalpha', checked(1, '', 'alpha no') + checked(2)],
    ['a sorry server that nobody needs', 'lvs_sched wrr\nsorry_server 10.9.0.9 80'],
    ['a quorum that is reached', 'lvs_sched wrr\nquorum 2\nhysteresis 1\nsorry_server 10.9.0.9 80'],
    ['a quorum that is too high', 'lvs_sched wrr\nquorum 50\nsorry_server 10.9.0.9 80'],
    ['a hysteresis that is too high', 'lvs_sched wrr\nquorum 2\nhysteresis 7\nsorry_server 10.9.0.9 80'],
    [
      'a quorum above those that are up',
      'lvs_sched wrr\nquorum 3\nsorry_server 10.9.0.9 80',
      checked(1, 'weight 2') + checked(2, 'alpha\nweight 2'),
    ],
    ['NAT', 'lvs_sched rr\nlvs_method NAT'],
    ['a tunnel', 'lvs_sched rr\nlvs_method TUN'],
    ['a tunnel of GUE', 'lvs_sched rr\nlvs_method TUN type gue port 6080'],
    ['no method', 'lvs_sched rr\n# no lvs_method'],
    ['a method of a real server', 'lvs_sched rr', 'real_server 10.9.0.1 80 {\nlvs_method TUN\n}'],
    [
      'the same real server twice',
      'lvs_sched wrr',
      'real_server 10.9.0.1 80 {\nweight 3\n}\nreal_server 10.9.0.1 80 {\nweight 4\n}',
    ],
    ['a real server with another port', 'lvs_sched rr', 'real_server 10.9.0.1 8080 {\n}'],
    ['a real server without a port', 'lvs_sched rr', 'real_server 10.9.0.1 {\n}'],
    ['several checkers', 'lvs_sched rr', `real_server 10.9.0.1 80 {\n${'TCP_CHECK {\n}\n'.repeat(3)}}`],
  ];

function checked(number: number, lines = '', check = ''): string {
  return `real_server 10.9.0.${number} 80 {\n${lines}\nTCP_CHECK {\n${check}\n}\n}\n`;
}

const TWO = 'real_server 10.9.0.1 80 {\n}\nreal_server 10.9.0.2 80 {\n}\n';

const NEIGHBOURS = POLICIES.map(([title, lines, servers = TWO], i) => {
  const defaults = [
    ...(lines.includes('lvs_method') ? [] : ['lvs_method DR']),
    ...(lines.includes('protocol') ? [] : ['protocol TCP']),
  ];
  return `# ${title}\nvirtual_server 10.7.${i}.1 80 {\n${[...defaults, lines].join('\n')}\n${servers.trimEnd()}\n}\n`;
});

/** Returns by service where IPVS has something else, and what the report says of it. */
export function explainedDifferences(): Map<
  string,
  { readonly first: number; readonly last: number; readonly text: RegExp }
> {
  let line = 1;
  return new Map(
    POLICIES.flatMap(([, lines, , text], i) => {
      const first = line;
      line += NEIGHBOURS[i]!.split('\n').length - 1;
      const protocol = lines.includes('UDP') ? 'udp' : 'tcp';
      return text === undefined ? [] : [[`${protocol} 10.7.${i}.1:80`, { first, last: line - 1, text }] as const];
    }),
  );
}
