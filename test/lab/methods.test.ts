/** Real servers by Debian's arptables and iptables, and a router in front of the director: rows of the mission, with real nginx. */

import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';

import { Capture, type HostName, hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { answering, bare, REAL } from '../support/arp.js';
import { examine, lines } from '../support/doctor-lab.js';
import { execute, TestLab } from '../support/lab.js';
import { NGINX_PORT, startNginx } from '../support/ldirectord-lab.js';
import { Router, ROUTER, ROUTER_PORT, VISITOR } from '../support/router.js';

const DIRECTOR = hostNamed('director');
const PAGES = new Set(REAL.map((host) => `served by ${host}`));
const URLS = [`http://${VIP4}:${NGINX_PORT}/`, `http://[${VIP6}]:${NGINX_PORT}/`] as const;

const SERVICES = `interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: ${NGINX_PORT}, scheduler: rr, realServers: [${REAL.map((host) => hostNamed(host).ipv4).join(', ')}] }
  - address: "${VIP6}"
    port: ${NGINX_PORT}
    scheduler: rr
    realServers: [${REAL.map((host) => `"${hostNamed(host).ipv6}"`).join(', ')}]
`;

const VIP_ON_LO = [`ip address add ${VIP4}/32 dev lo`, `ip address add ${VIP6}/128 dev lo nodad`];
/** What an administrator types on a real server. Without a leading word of its own, IPv6 needs the VIP alone. */
const METHODS: Readonly<Record<'sysctl' | 'arptables' | 'iptables', (host: HostName) => readonly string[]>> = {
  sysctl: () => [
    'sysctl -w net.ipv4.conf.all.arp_ignore=1',
    'sysctl -w net.ipv4.conf.all.arp_announce=2',
    ...VIP_ON_LO,
  ],
  arptables: (host) => [
    `arptables -A INPUT -d ${VIP4} -j DROP`,
    `arptables -A OUTPUT -s ${VIP4} -j mangle --mangle-ip-s ${hostNamed(host).ipv4}`,
    ...VIP_ON_LO,
  ],
  iptables: () => [
    `iptables -t nat -A PREROUTING -d ${VIP4} -p tcp --dport ${NGINX_PORT} -j REDIRECT`,
    `ip6tables -t nat -A PREROUTING -d ${VIP6} -p tcp --dport ${NGINX_PORT} -j REDIRECT`,
  ],
};

/** The commands that undo those of a method, the last one first. */
function undoing(commands: readonly string[]): string[] {
  return [...commands]
    .reverse()
    .map((command) =>
      command
        .replace(' address add ', ' address del ')
        .replace(' nodad', '')
        .replace(' -A ', ' -D ')
        .replace(/=\d$/, '=0'),
    );
}

async function type(lab: TestLab, host: HostName, commands: readonly string[]): Promise<void> {
  await lab.exec(host, ['sh', '-ec', commands.join('\n')]);
}

async function onBoth(lab: TestLab, commands: readonly string[]): Promise<void> {
  await Promise.all(REAL.map((host) => type(lab, host, commands)));
}

async function withMethod(lab: TestLab, method: keyof typeof METHODS, work: () => Promise<void>): Promise<void> {
  await Promise.all(REAL.map((host) => type(lab, host, METHODS[method](host))));
  await work();
  await Promise.all(REAL.map((host) => type(lab, host, undoing(METHODS[method](host)))));
}

/** Returns how many frames that match pass a port of the switch while something happens. */
async function passing(lab: TestLab, port: string, filter: string, work: () => Promise<unknown>): Promise<number> {
  const capture = await Capture.start(lab, 'switch', port, filter);
  await work();
  return (await capture.stop()).length;
}

/** Takes the hosts' knowledge of each other's MACs. */
async function forget(lab: TestLab, ...hosts: readonly HostName[]): Promise<void> {
  for (const host of hosts) {
    await type(lab, host, [`ip -4 neigh flush dev ${NIC}`, `ip -6 neigh flush dev ${NIC}`]);
  }
}

async function expectBoth(lab: TestLab): Promise<void> {
  for (const url of URLS) {
    assert.deepEqual(new Set(await lab.pages(4, url)), PAGES, url);
  }
}

async function build(context: TestContext): Promise<TestLab> {
  const lab = await TestLab.build(context, 'methods');
  lab.configure(SERVICES);
  for (const host of REAL) {
    startNginx(lab, host);
    await bare(lab, host);
    for (const address of [hostNamed(host).ipv4, `[${hostNamed(host).ipv6}]`]) {
      await lab.until('nginx answers', async () => {
        const { status } = await execute(lab, 'client', ['curl', '-s', `http://${address}:${NGINX_PORT}/`]);
        return status === 0;
      });
    }
  }
  await lab.startDirector();
  return lab;
}

const hex = (address: string): string =>
  `0x${address
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join('')}`;

/** Requests that name the VIP as their sender: whoever hears one sends to this host past the director. */
const announcing = (host: HostName): string => `arp and ether src ${hostNamed(host).mac} and arp[14:4] = ${hex(VIP4)}`;

/** How many such requests a real server sends when it must ask for the client's MAC. */
function announcements(lab: TestLab, host: HostName): Promise<number> {
  return passing(lab, host, announcing(host), async () => {
    await forget(lab, host);
    await lab.pages(4, URLS[0]);
  });
}

/** How often a real server answers for the VIP of IPv6 (RFC 4861, 4.4). */
function advertisements(lab: TestLab, host: HostName): Promise<number> {
  const filter = `icmp6 and ip6[40] = 136 and ip6[60:4] = 0x100 and ether src ${hostNamed(host).mac}`;
  return passing(lab, host, filter, async () => {
    await forget(lab, 'client');
    await lab.pages(2, URLS[1]);
  });
}

test('answers to the ARP problem, and a router in front', async (context) => {
  const lab = await build(context);

  await context.test('M6: without a rule, real servers answer for the VIP, and ask in its name', async () => {
    await onBoth(lab, VIP_ON_LO);
    assert.deepEqual(await answering(lab), new Set([DIRECTOR, ...REAL.map(hostNamed)].map(({ mac }) => mac)));
    await type(lab, 'client', [`ip neigh replace ${VIP4} dev ${NIC} lladdr ${DIRECTOR.mac} nud permanent`]);
    assert.ok((await announcements(lab, 'real1')) > 0);
    await type(lab, 'client', [`ip neigh del ${VIP4} dev ${NIC}`]);
    await onBoth(lab, undoing(VIP_ON_LO));
  });

  await context.test('M6: with arptables, clients find the director alone, and no request names the VIP', async () => {
    await withMethod(lab, 'arptables', async () => {
      await forget(lab, 'client', ...REAL);
      assert.deepEqual(await answering(lab), new Set([DIRECTOR.mac]));
      for (const host of REAL) {
        assert.equal(await announcements(lab, host), 0);
        // IPv6 has no rule: Linux answers solicitations only for addresses of the interface by which they came.
        assert.equal(await advertisements(lab, host), 0);
      }
      await expectBoth(lab);
    });
  });

  await context.test(
    'M7: with REDIRECT, real servers without the VIP serve it, and need nothing against ARP',
    async () => {
      for (const url of URLS) {
        const { status } = await execute(lab, 'client', ['curl', '-sS', '--max-time', '1', url]);
        // Exit status 28: nobody answers, and nobody refuses.
        assert.equal(status, 28, 'without the rule nobody takes it');
      }
      await withMethod(lab, 'iptables', async () => {
        assert.deepEqual(await answering(lab), new Set([DIRECTOR.mac]));
        await expectBoth(lab);
        for (const host of REAL) {
          const addresses = await lab.exec(host, ['ip', '-o', 'address', 'show']);
          assert.ok(!addresses.includes(VIP4) && !addresses.includes(VIP6), addresses);
        }
      });
    },
  );

  const router = await Router.build(context, lab);
  await onBoth(lab, [`ip route add default via ${ROUTER.ipv4}`, `ip route add default via ${ROUTER.ipv6}`]);
  const expectVisits = async (): Promise<void> => {
    for (const url of URLS) {
      assert.deepEqual(new Set(await router.pages(4, url)), PAGES, url);
    }
  };

  for (const method of ['sysctl', 'arptables', 'iptables'] as const) {
    await context.test(
      `M21: with the router as gateway, real servers answer a client behind it: ${method}`,
      async () => {
        await withMethod(lab, method, async () => {
          const replies = `tcp and (src host ${VIP4} or src host ${VIP6})`;
          assert.equal(await passing(lab, 'director', replies, expectVisits), 0, 'no reply comes to the director');
          const toVisitor = `${replies} and (dst host ${VISITOR.ipv4} or dst host ${VISITOR.ipv6})`;
          const straight = `${toVisitor} and ether src ${hostNamed('real1').mac}`;
          assert.ok((await passing(lab, ROUTER_PORT, straight, expectVisits)) > 0, 'it goes straight to the router');
          assert.deepEqual(lines((await examine(lab)).findings), [], 'the doctor finds nothing wrong');
        });
      },
    );
  }

  await context.test(
    'M21: with the director as gateway, the client behind the router gets no answer, and the doctor says why',
    async () => {
      const gateways = ({ ipv4, ipv6 }: { readonly ipv4: string; readonly ipv6: string }): string[] =>
        [ipv4, ipv6].map((each) => `ip route replace default via ${each}`);
      await withMethod(lab, 'sysctl', async () => {
        await onBoth(lab, gateways(DIRECTOR));
        const answers = `tcp[tcpflags] = tcp-syn|tcp-ack and src host ${VIP4}`;
        const visits = async (): Promise<void> => {
          for (const url of URLS) {
            await assert.rejects(router.exec('visitor', 'curl', '-sS', '--max-time', '2', url), /timed out/);
          }
        };
        assert.ok((await passing(lab, 'director', answers, visits)) > 0, 'the answers come to the director');
        await expectBoth(lab);
        const { findings, status } = await examine(lab);
        assert.equal(status, 2);
        assert.deepEqual(
          lines(findings),
          REAL.map(hostNamed)
            .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
            .sort()
            .map(
              (each) =>
                `error real-server-gateway-is-director: the default gateway of real server ${each} is this director`,
            ),
        );
        // IPv6 knows no such rule: a director that forwards carries all answers.
        const out = `ip route add default via ${ROUTER.ipv6}`;
        await type(lab, 'director', ['sysctl -qw net.ipv6.conf.all.forwarding=1', out]);
        assert.deepEqual(new Set(await router.pages(4, URLS[1])), PAGES);
        const severities = (await examine(lab)).findings.map(({ severity, subject }) => `${severity} ${subject}`);
        assert.deepEqual(severities, [
          ...REAL.map((host) => `error ${hostNamed(host).ipv4}`),
          ...REAL.map((host) => `warning ${hostNamed(host).ipv6}`),
        ]);
        await type(lab, 'director', [out.replace(' add ', ' del '), 'sysctl -qw net.ipv6.conf.all.forwarding=0']);

        await onBoth(lab, gateways(ROUTER));
        await expectVisits();
        assert.deepEqual(lines((await examine(lab)).findings), []);
      });
    },
  );

  await context.test('M8: with a static route to the VIP, nobody asks who has it, and nobody says so', async () => {
    const vipOffTheCard = [`ip address del ${VIP4}/32 dev ${NIC}`, `ip address del ${VIP6}/128 dev ${NIC}`];
    await type(lab, 'director', ['sysctl -qw net.ipv4.conf.all.arp_ignore=1', ...VIP_ON_LO, ...vipOffTheCard]);
    assert.deepEqual(await answering(lab), new Set());
    const warnings = (await lab.status()).warnings ?? [];
    assert.deepEqual(
      warnings.map(({ code }) => code).filter((code) => code.startsWith('VIP_')),
      [],
    );
    await router.exec('router', 'ip', 'route', 'add', `${VIP4}/32`, 'via', DIRECTOR.ipv4);
    await router.exec('router', 'ip', 'route', 'add', `${VIP6}/128`, 'via', DIRECTOR.ipv6);
    // It asked before, and would make sure of what it heard.
    await router.exec('router', 'sh', '-ec', `ip -4 neigh flush dev ${NIC}; ip -6 neigh flush dev ${NIC}`);
    // Neighbour solicitations and advertisements (RFC 4861, 4.3 and 4.4) about the VIP.
    const asked = `(arp and host ${VIP4}) or (icmp6 and (ip6[40] = 135 or ip6[40] = 136) and ip6[60:4] = 0x100)`;
    await withMethod(lab, 'iptables', async () => {
      assert.equal(await passing(lab, ROUTER_PORT, asked, expectVisits), 0, 'real servers without the VIP');
      // Packets come: a router has a route, and only that nobody on the link is told of the VIP is worth a word.
      assert.deepEqual(lines((await examine(lab)).findings), [
        `warning arp-silent: nobody answers ARP for the VIP ${VIP4}: it is on lo, and arp_ignore is 1 for ${NIC}`,
      ]);
    });
    await onBoth(lab, VIP_ON_LO);
    assert.equal(await passing(lab, ROUTER_PORT, asked, expectVisits), 0, 'real servers that would answer for it');
  });
});
