/** What health does to traffic: a real server that fails, one that comes back, a lost quorum, and a daemon that dies meanwhile. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import type { FlowReport, RealServerReport } from '../../src/control/index.js';
import { type HostName, hostNamed, NIC, PAGES, type ProcessIdentity, VIP4, VIP6 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';
import { serversOf, startTalkServers, Talkers } from '../support/talkers.js';

const SICK = fileURLToPath(new URL('../support/sick.js', import.meta.url));
/** Where checks go: a server beside the others, which says what a test wants. */
const CHECKED = 8081;
const [ONE, TWO] = [hostNamed('real1'), hostNamed('real2')];
/** A third real server, on the second one's host. */
const THREE = { ipv4: '192.168.1.42', ipv6: 'fd00::42' };
const FIRST = new Set<string>([ONE.ipv4, ONE.ipv6]);

interface Case {
  readonly vip: string;
  readonly port: number;
  readonly policy: string;
}

const TCP: readonly Case[] = [
  { vip: VIP4, port: 7001, policy: 'scheduler: rr' },
  { vip: VIP6, port: 7002, policy: 'scheduler: wrr' },
  { vip: VIP4, port: 7003, policy: 'scheduler: wlc, unresolved: move' },
  { vip: VIP6, port: 7004, policy: 'scheduler: sh, flags: [sh-port]' },
  { vip: VIP4, port: 7005, policy: 'scheduler: mh, flags: [mh-port]' },
  { vip: VIP6, port: 7006, policy: 'scheduler: maglev' },
  { vip: VIP4, port: 7007, policy: 'scheduler: maglev, track: moved' },
  { vip: VIP6, port: 7008, policy: 'scheduler: mh, flags: [mh-port], track: moved' },
  { vip: VIP4, port: 7009, policy: 'scheduler: dh' },
  { vip: VIP6, port: 7010, policy: 'scheduler: lblc' },
  { vip: VIP4, port: 7011, policy: 'scheduler: rr, persistence: 300' },
  { vip: VIP6, port: 7012, policy: 'scheduler: maglev, persistence: 300, unresolved: move' },
];
/** Of a mark. */
const MARKED: Case = { vip: VIP4, port: 7020, policy: 'scheduler: wrr' };
const UDP: readonly Case[] = [
  { vip: VIP4, port: 7101, policy: 'scheduler: rr' },
  { vip: VIP6, port: 7102, policy: 'scheduler: wlc' },
  { vip: VIP4, port: 7103, policy: 'scheduler: maglev, track: moved' },
  { vip: VIP6, port: 7104, policy: 'scheduler: maglev, onePacket: true' },
];
const TARGETS = [...TCP, MARKED].map(({ vip, port }) => ({ address: vip, port }));

/** @param health what else the services' health has */
function file(health: string): string {
  const all = (vip: string): string => {
    const family = vip === VIP4 ? 'ipv4' : 'ipv6';
    return `realServers: ["${[ONE, TWO, THREE].map((each) => each[family]).join('", "')}"]`;
  };
  const checks = `health: { checks: [{ type: http, port: ${CHECKED} }], interval: 0.3, timeout: 5, fall: 2, rise: 2, ${health} }`;
  const service = (protocol: string, { vip, port, policy }: Case): string =>
    `  - { address: "${vip}", port: ${port}, protocol: ${protocol}, ${policy}, ${checks}, ${all(vip)} }\n`;
  return [
    `interfaces: [${NIC}]\nservices:\n`,
    ...TCP.map((each) => service('tcp', each)),
    ...UDP.map((each) => service('udp', each)),
    `marks:\n  - { mark: 1, match: ["tcp:${MARKED.vip}:${MARKED.port}"], ${MARKED.policy}, ${checks}, ${all(VIP4)} }\n`,
  ].join('');
}

/** A lab whose real servers fail their checks when a test says so. */
class Ward {
  readonly lab: TestLab;
  daemon: ProcessIdentity | undefined;

  private constructor(lab: TestLab) {
    this.lab = lab;
  }

  static async build(context: TestContext, name: string): Promise<Ward> {
    const lab = await TestLab.build(context, name);
    const ward = new Ward(lab);
    await Promise.all([
      startTalkServers(
        lab,
        TARGETS.map(({ port }) => port),
      ),
      ward.serve('real1'),
      ward.serve('real2'),
      lab.exec('real2', ['ip', 'addr', 'add', `${THREE.ipv4}/24`, 'dev', NIC]),
      lab.exec('real2', ['ip', 'addr', 'add', `${THREE.ipv6}/64`, 'dev', NIC, 'nodad']),
    ]);
    return ward;
  }

  async serve(host: HostName): Promise<ProcessIdentity> {
    const ready = join(this.lab.directory, `sick-${host}.ready`);
    rmSync(ready, { force: true });
    const udp = UDP.map(({ port }) => port).join();
    const identity = this.lab.startProcess(host, `sick-${host}`, [
      ...[process.execPath, SICK, 'serve', host, String(CHECKED), udp, this.#sick(host), ready],
    ]);
    await this.lab.until(`${host} listens`, () => existsSync(ready));
    return identity;
  }

  #sick(host: HostName): string {
    return join(this.lab.directory, `${host}.sick`);
  }

  /** Has a host fail its checks, or pass them. */
  set(host: HostName, isSick: boolean): void {
    if (isSick) {
      writeFileSync(this.#sick(host), '');
    } else {
      rmSync(this.#sick(host), { force: true });
    }
  }

  async start(): Promise<void> {
    this.daemon = await this.lab.startDirector();
    await this.lab.until('all real servers resolve and are checked', async () => {
      const { unresolved } = await this.lab.status();
      return unresolved === 0 && !(await this.lab.beeline(['list', '--checks'])).includes(' unknown ');
    });
  }

  /** Real servers of all services, with their services' ports or marks. */
  async servers(): Promise<(RealServerReport & { readonly of: number; readonly scheduler: string })[]> {
    return (await this.lab.list()).flatMap((service) =>
      service.realServers.map((each) => ({
        ...each,
        scheduler: service.scheduler,
        of: 'mark' in service ? MARKED.port : service.port,
      })),
    );
  }

  /** The states of a host's real servers. */
  async states(of: ReadonlySet<string>): Promise<Set<string>> {
    return new Set((await this.servers()).filter(({ address }) => of.has(address)).map(({ state }) => state));
  }

  async untilAll(of: ReadonlySet<string>, state: string): Promise<void> {
    await this.lab.until(`${[...of].join()} ${state}`, async () => {
      const states = await this.states(of);
      return states.size === 1 && states.has(state);
    });
  }

  /** Packets that were sent to the first real server, by service. */
  async packets(): Promise<number[]> {
    return (await this.servers()).filter(({ address }) => FIRST.has(address)).map(({ packets }) => packets);
  }

  /** Which real server each flow and template has, by client and service. */
  async flows(): Promise<Map<string, string>> {
    const all = new Map<string, string>();
    const flows = JSON.parse(await this.lab.beeline(['flows', '--json', '--all'])) as FlowReport[];
    const keyOf = ({ service, client, clientPort }: FlowReport): string => `${service} ${client} ${clientPort}`;
    flows.forEach((flow) => all.set(keyOf(flow), flow.realServer));
    return all;
  }

  async answering(count = 4): Promise<Set<string>> {
    return new Set((await serversOf(this.lab, TARGETS, { count })).flat());
  }

  /** Since when each check, and each real server, has its state. */
  async sinceOf(): Promise<number[]> {
    const checks = await this.lab.ask('checks', {});
    const times: number[] = [];
    JSON.stringify(checks, (key, value: unknown) => {
      if (key === 'since') {
        times.push(Date.parse(String(value)));
      }
      return value;
    });
    return times;
  }

  get log(): string {
    return readFileSync(join(this.lab.directory, 'director.log'), 'utf8');
  }
}

/** UDP flows that send all the time. */
class Streams {
  readonly #ward: Ward;
  readonly #path: string;
  readonly #process: ProcessIdentity;

  private constructor(ward: Ward, path: string, identity: ProcessIdentity) {
    this.#ward = ward;
    this.#path = path;
    this.#process = identity;
  }

  static async start(ward: Ward, label: string): Promise<Streams> {
    const path = join(ward.lab.directory, `streams-${label}`);
    const targets = JSON.stringify(UDP.map(({ vip, port }) => ({ address: vip, port })));
    const command = [process.execPath, SICK, 'flows', targets, '6', path];
    const streams = new Streams(ward, path, ward.lab.startProcess('client', `streams-${label}`, command));
    await ward.lab.until('the UDP flows have begun', () => existsSync(`${path}.begun`));
    return streams;
  }

  /** By service and flow, the names of the hosts that answered in their order. */
  async end(): Promise<string[][][]> {
    process.kill(this.#process.pid, 'SIGTERM');
    await this.#ward.lab.until('the UDP flows have ended', () => existsSync(`${this.#path}.ended`));
    return JSON.parse(readFileSync(`${this.#path}.ended`, 'utf8')) as string[][][];
  }
}

const TALKS = TARGETS.map((target) => ({ ...target, sending: 3, silent: 2 }));

test('a real server that fails, with connections on it and on others', async (context) => {
  const ward = await Ward.build(context, 'health');
  const { lab } = ward;
  lab.configure(file('onFailure: remove'));
  await ward.start();

  await context.test(
    'remove: nothing goes there any more, its flows go to others, and no other flow moves',
    async () => {
      const [talkers, streams] = await Promise.all([Talkers.start(lab, TALKS), Streams.start(ward, 'remove')]);
      const before = await ward.flows();
      assert.ok([...before.values()].some((each) => FIRST.has(each)));
      ward.set('real1', true);
      await ward.untilAll(FIRST, 'down');
      const counted = await ward.packets();
      assert.deepEqual(await ward.answering(), new Set(['real2']));
      await sleep(500);
      assert.deepEqual(await ward.packets(), counted);
      // Those of the others have the real server that they had; nothing is remembered for the one that failed.
      const after = await ward.flows();
      for (const [flow, realServer] of before) {
        assert.equal(
          FIRST.has(realServer) || after.get(flow) === undefined || after.get(flow) === realServer,
          true,
          flow,
        );
      }
      const hosts = (await streams.end()).flat();
      assert.ok(hosts.some(([first]) => first === 'real1'));
      hosts.forEach((names) => {
        assert.deepEqual(names.slice(-1), ['real2']);
        assert.ok(names.length <= 2, names.join());
      });
      const ended = await talkers.failures();
      const moved = talkers.begun.filter(({ server }) => server === 'real1');
      assert.ok(moved.length > 0 && moved.length < talkers.begun.length);
      assert.deepEqual(
        ended.map(({ port, server, failure }) => [port, server, failure]),
        moved.map(({ port, server }) => [port, server, 'ECONNRESET']),
      );
      assert.deepEqual(await ward.packets(), counted);
    },
  );

  await context.test('a reload and an edit of something else leave the states as they are', async () => {
    const since = await ward.sinceOf();
    // They are counted from the start of the machine, and told by the wall clock.
    const assertSame = (times: readonly number[]): void => {
      assert.ok(times.every((time, i) => Math.abs(time - since[i]!) < 100));
    };
    assert.match((await lab.run('reload')).stdout, /^no changes/);
    await lab.beeline(['weight', `${VIP4}:7001`, TWO.ipv4, '2']);
    assertSame(await ward.sinceOf());
    assert.match((await lab.run('reload')).stdout, /weight 2 -> 1$/m);
    assertSame(await ward.sinceOf());
  });

  await context.test('a check that a reload changes does not bring back what is down', async () => {
    const counted = await ward.packets();
    const text = readFileSync(lab.configPath, 'utf8');
    lab.configure(text.replaceAll(`type: http, port: ${CHECKED}`, `type: http, path: /other, port: ${CHECKED}`));
    await lab.beeline(['reload']);
    assert.deepEqual(await ward.states(FIRST), new Set(['down']));
    assert.deepEqual(await ward.answering(), new Set(['real2']));
    assert.deepEqual(await ward.packets(), counted);
    lab.configure(text);
    await lab.beeline(['reload']);
    assert.deepEqual(await ward.answering(), new Set(['real2']));
    assert.deepEqual(await ward.packets(), counted);
  });

  await context.test('a daemon that is killed, or stopped, and the next one never send it a packet', async () => {
    const counted = await ward.packets();
    for (const end of ['killed', 'stopped', 'killed, with another file'] as const) {
      if (end === 'stopped') {
        await lab.beeline(['stop']);
      } else {
        await lab.kill(ward.daemon!);
      }
      if (end === 'killed, with another file') {
        lab.configure(file('onFailure: remove, slowStart: 1').replaceAll('port: 8081', 'port: 8081, path: /next'));
      }
      const asked = ward.answering(2);
      ward.daemon = await lab.startDirector();
      assert.deepEqual(await asked, new Set(['real2']), end);
      assert.deepEqual(await ward.answering(2), new Set(['real2']), end);
      assert.deepEqual(await ward.states(FIRST), new Set(['down']), end);
      assert.deepEqual(await ward.packets(), counted, end);
    }
  });

  await context.test('disabled and enabled while down, it is down as before', async () => {
    const counted = await ward.packets();
    for (const address of FIRST) {
      await lab.beeline(['disable', 'all', address]);
    }
    assert.deepEqual(await ward.states(FIRST), new Set(['disabled']));
    for (const address of FIRST) {
      await lab.beeline(['enable', 'all', address]);
    }
    assert.deepEqual(await ward.states(FIRST), new Set(['down']));
    assert.deepEqual(await ward.answering(2), new Set(['real2']));
    assert.deepEqual(await ward.packets(), counted);
  });

  await context.test('back again with slow start: its shares grow step by step, and no flow is torn', async () => {
    lab.configure(file('onFailure: remove, slowStart: 3'));
    await lab.beeline(['reload']);
    const [talkers, streams] = await Promise.all([Talkers.start(lab, TALKS), Streams.start(ward, 'ramp')]);
    ward.set('real1', false);
    const shares = new Map<number, number[]>();
    let others = new Map<string, number>();
    await lab.until('it has its part again', async () => {
      const servers = await ward.servers();
      for (const { of, scheduler, address, share, state } of servers) {
        if (FIRST.has(address)) {
          shares.set(of, [...(shares.get(of) ?? []), share]);
          assert.ok(['down', 'ramping', 'up'].includes(state), state);
        } else if (scheduler === 'maglev') {
          // Slots move to the one that returns, and to nobody else.
          const last = others.get(`${of} ${address}`);
          assert.ok(last === undefined || share <= last + 0.002, `${of} ${address}: ${last} ${share}`);
        }
      }
      others = new Map(servers.map(({ of, address, share }) => [`${of} ${address}`, share]));
      return servers.every(({ address, state }) => !FIRST.has(address) || state === 'up');
    });
    for (const [of, seen] of shares) {
      assert.ok(
        seen.every((share, i) => i === 0 || share >= seen[i - 1]! - 0.002),
        `${of}: ${seen.join(' ')}`,
      );
    }
    const maglev = shares.get(7006)!;
    assert.ok(
      maglev.some((share) => share > 0.02 && share < 0.25),
      maglev.join(' '),
    );
    assert.deepEqual(await ward.answering(12), new Set(['real1', 'real2']));
    assert.deepEqual(await talkers.failures(), []);
    // All but those of one packet, which have no flows: they follow the ring.
    (await streams.end())
      .slice(0, -1)
      .flat()
      .forEach((names) => {
        assert.deepEqual(names, ['real2']);
      });
  });

  await context.test('quiesce: its flows live, and new ones go to others', async () => {
    lab.configure(file('onFailure: quiesce'));
    await lab.beeline(['reload']);
    const [talkers, streams] = await Promise.all([Talkers.start(lab, TALKS), Streams.start(ward, 'quiesce')]);
    assert.ok(talkers.begun.some(({ server }) => server === 'real1'));
    ward.set('real1', true);
    await ward.untilAll(FIRST, 'down');
    assert.deepEqual(await ward.answering(), new Set(['real2']));
    assert.deepEqual(await talkers.failures(), []);
    (await streams.end())
      .slice(0, -1)
      .flat()
      .forEach((names) => {
        assert.equal(names.length, 1, names.join());
      });
    ward.set('real1', false);
    await ward.untilAll(FIRST, 'up');
  });
});

/** Two services with checks at their own ports, whose real servers die as machines do. */
const SIMPLE: readonly Case[] = [
  { vip: VIP4, port: 7001, policy: 'scheduler: rr' },
  { vip: VIP6, port: 7006, policy: 'scheduler: maglev' },
];

/** @param health of both services */
function simple(health: string, realServers: 'both' | 'first' | 'weighted' = 'both', more = ''): string {
  const service = ({ vip, port, policy }: Case): string => {
    const family = vip === VIP4 ? 'ipv4' : 'ipv6';
    const weights = { both: [1, 1], first: [1], weighted: [1, 3] }[realServers];
    const all = weights.map((weight, i) => `{ address: "${[ONE, TWO][i]![family]}", weight: ${weight} }`).join(', ');
    const own = health
      .replaceAll('REAL2', `"${TWO[family]}"`)
      .replaceAll('SELF', family === 'ipv4' ? '127.0.0.1' : '"::1"');
    return `  - { address: "${vip}", port: ${port}, ${policy}, health: { ${own} }, realServers: [${all}]${more} }\n`;
  };
  return `interfaces: [${NIC}]\nservices:\n${SIMPLE.map(service).join('')}`;
}

const SIMPLE_TARGETS = SIMPLE.map(({ vip, port }) => ({ address: vip, port }));
const TCP_CHECKS = 'checks: tcp, interval: 0.3, timeout: 1, fall: 2, rise: 2';
const HTTP_CHECKS = `checks: [{ type: http, port: ${CHECKED} }], interval: 0.3, timeout: 5, fall: 2, rise: 2`;

test('real servers that die as machines do, and services of which too few are left', async (context) => {
  const ward = await Ward.build(context, 'quorum');
  const { lab } = ward;
  lab.configure(simple(TCP_CHECKS));
  await ward.start();
  const addresses = { [VIP4]: `${VIP4}/32`, [VIP6]: `${VIP6}/128` };
  const vips = async (action: 'add' | 'del', host: HostName, device: string): Promise<void> => {
    for (const [vip, address] of Object.entries(addresses)) {
      const nodad = action === 'add' && vip === VIP6 ? ['nodad'] : [];
      await lab.exec(host, ['ip', 'addr', action, address, 'dev', device, ...nodad]);
    }
  };
  const answering = async (count = 4): Promise<Set<string>> =>
    new Set((await serversOf(lab, SIMPLE_TARGETS, { count, seconds: 3 })).flat());
  const director = hostNamed('director');
  const hazards: Readonly<
    Record<string, { readonly begin: () => Promise<unknown>; readonly end: () => Promise<unknown> }>
  > = {
    'its VIPs are gone': { begin: () => vips('del', 'real1', 'lo'), end: () => vips('add', 'real1', 'lo') },
    'it is a director with "ttl: keep" that lost its VIPs, and sends their packets back': {
      begin: async () => {
        await vips('del', 'real1', 'lo');
        await lab.sysctls('real1', { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' });
        await lab.exec('real1', ['ip', 'route', 'add', VIP4, 'via', director.ipv4]);
        await lab.exec('real1', ['ip', 'route', 'add', VIP6, 'via', director.ipv6]);
        // The kernel forwards as a router. A director that keeps the hop limit would not count it down.
        await lab.exec('real1', ['nft', 'add', 'table', 'netdev', 'keep']).catch(() => undefined);
        await lab.exec('real1', [
          ...['nft', 'add', 'chain', 'netdev', 'keep', 'in', '{', 'type', 'filter', 'hook', 'ingress', 'device', NIC],
          ...['priority', '0', ';', '}'],
        ]);
        await lab.exec('real1', [
          'nft',
          'add',
          'rule',
          'netdev',
          'keep',
          'in',
          'ip',
          'daddr',
          VIP4,
          'ip',
          'ttl',
          'set',
          '2',
        ]);
        await lab.exec('real1', [
          ...['nft', 'add', 'rule', 'netdev', 'keep', 'in', 'ip6', 'daddr', VIP6, 'ip6', 'hoplimit', 'set', '2'],
        ]);
      },
      end: async () => {
        await lab.exec('real1', ['nft', 'delete', 'table', 'netdev', 'keep']);
        await lab.exec('real1', ['ip', 'route', 'del', VIP4]);
        await lab.exec('real1', ['ip', 'route', 'del', VIP6]);
        await lab.sysctls('real1', { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' });
        await vips('add', 'real1', 'lo');
      },
    },
    'its cable is cut': {
      begin: () => lab.exec('switch', ['ip', 'link', 'set', 'real1', 'down']),
      end: () => lab.exec('switch', ['ip', 'link', 'set', 'real1', 'up']),
    },
  };
  for (const [what, { begin, end }] of Object.entries(hazards)) {
    await context.test(`${what}: nothing goes there, and it comes back`, async () => {
      await begin();
      await ward.untilAll(FIRST, 'down');
      const counted = await ward.packets();
      assert.deepEqual(await answering(), new Set(['real2']));
      assert.deepEqual(await ward.packets(), counted);
      await end();
      await ward.untilAll(FIRST, 'up');
      assert.deepEqual(await answering(12), new Set(['real1', 'real2']));
    });
  }

  await context.test(
    'other programs have ports of the range: checks pass over them, or say so, and nobody goes down',
    async () => {
      const logged = ward.log.length;
      const bind =
        "const net = require('node:net'); for (let port = 61000; port < 61500; port += 1) net.createServer().listen(port, '::').on('error', () => {});";
      await lab.sysctl('director', 'net/ipv4/ip_local_port_range', '60000 62000');
      const other = lab.startProcess('director', 'ports', [process.execPath, '-e', bind]);
      await sleep(3000);
      assert.deepEqual(await answering(12), new Set(['real1', 'real2']));
      assert.doesNotMatch(ward.log.slice(logged), /is down/);
      // And a failure is found all the same.
      await vips('del', 'real1', 'lo');
      await ward.untilAll(FIRST, 'down');
      await vips('add', 'real1', 'lo');
      await ward.untilAll(FIRST, 'up');
      await lab.kill(other);
      await lab.sysctl('director', 'net/ipv4/ip_local_port_range', '32768 60999');
    },
  );

  await context.test('a standby’s checks pass while the VIPs come to the director and go', async () => {
    const logged = ward.log.length;
    for (let i = 0; i < 12; i += 1) {
      await vips('del', 'director', NIC);
      await sleep(100);
      await vips('add', 'director', NIC);
      await sleep(100);
    }
    assert.doesNotMatch(ward.log.slice(logged), /is down|cannot be made/);
    assert.deepEqual(await ward.states(FIRST), new Set(['up']));
  });

  await context.test(
    'too few left: the fallback takes new flows, and keeps them when the others are back',
    async () => {
      lab.configure(simple(`${HTTP_CHECKS}, fallback: [REAL2]`, 'first'));
      await lab.beeline(['reload']);
      assert.deepEqual(await answering(), new Set(['real1']));
      ward.set('real1', true);
      await ward.untilAll(FIRST, 'down');
      assert.deepEqual(await answering(), new Set(['real2']));
      const talkers = await Talkers.start(
        lab,
        SIMPLE_TARGETS.map((each) => ({ ...each, sending: 3, silent: 2 })),
      );
      ward.set('real1', false);
      await ward.untilAll(FIRST, 'up');
      assert.deepEqual(await answering(), new Set(['real1']));
      assert.deepEqual(await talkers.failures(), []);
      assert.deepEqual(new Set(talkers.begun.map(({ server }) => server)), new Set(['real2']));
    },
  );

  await context.test('the director itself is the fallback', async () => {
    await startTalkServers(
      lab,
      SIMPLE.map(({ port }) => port),
      ['director'],
    );
    lab.configure(simple(`${HTTP_CHECKS}, fallback: [SELF]`));
    await lab.beeline(['reload']);
    assert.deepEqual(await answering(8), new Set(['real1', 'real2']));
    ward.set('real1', true);
    ward.set('real2', true);
    await ward.untilAll(FIRST, 'down');
    await ward.untilAll(new Set([TWO.ipv4, TWO.ipv6]), 'down');
    assert.deepEqual(await answering(), new Set(['director']));
    const talkers = await Talkers.start(
      lab,
      SIMPLE_TARGETS.map((each) => ({ ...each, sending: 2, silent: 2 })),
    );
    ward.set('real2', false);
    await ward.untilAll(new Set([TWO.ipv4, TWO.ipv6]), 'up');
    assert.deepEqual(await answering(), new Set(['real2']));
    assert.deepEqual(await talkers.failures(), []);
  });

  await context.test(
    'quorum with hysteresis: those that are up keep their flows, and new ones go to the fallback until it is met',
    async () => {
      // Two of weight 1, and a third of them that is the fallback: lost below 2 - 0, met from 2 on.
      ward.set('real1', false);
      ward.set('real2', false);
      lab.configure(simple(`${HTTP_CHECKS}, quorum: 2, fallback: [SELF]`));
      await lab.beeline(['reload']);
      await ward.untilAll(FIRST, 'up');
      const talkers = await Talkers.start(
        lab,
        SIMPLE_TARGETS.map((each) => ({ ...each, sending: 4, silent: 4 })),
      );
      ward.set('real1', true);
      await ward.untilAll(FIRST, 'down');
      assert.deepEqual(await ward.states(new Set([TWO.ipv4, TWO.ipv6])), new Set(['replaced']));
      assert.deepEqual(await answering(), new Set(['director']));
      const failed = await talkers.failures();
      assert.deepEqual(new Set(failed.map(({ server }) => server)), new Set(['real1']));
      ward.set('real1', false);
      await ward.untilAll(FIRST, 'up');
      assert.deepEqual(await answering(8), new Set(['real1', 'real2']));
    },
  );

  await context.test('between the limits of a quorum all stays as it was, with and without the fallback', async () => {
    const second = new Set<string>([TWO.ipv4, TWO.ipv6]);
    // Of weight 1 and 3. Lost below 2, met from 4 on.
    lab.configure(simple(`${HTTP_CHECKS}, quorum: { weight: 3, hysteresis: 1 }, fallback: [SELF]`, 'weighted'));
    await lab.beeline(['reload']);
    const quorums = async (): Promise<Set<unknown>> =>
      new Set((await lab.ask('checks', {})).map((each) => each.quorum));
    assert.deepEqual(await quorums(), new Set(['met']));
    // 3 are left.
    ward.set('real1', true);
    await ward.untilAll(FIRST, 'down');
    assert.deepEqual([await quorums(), await answering(8)], [new Set(['met']), new Set(['real2'])]);
    ward.set('real1', false);
    await ward.untilAll(FIRST, 'up');
    // 1 is left, whose flows live.
    const talks = SIMPLE_TARGETS.map((each) => ({ ...each, sending: 4, silent: 4 }));
    const talkers = await Talkers.start(lab, talks);
    ward.set('real2', true);
    await ward.untilAll(second, 'down');
    await ward.untilAll(FIRST, 'replaced');
    assert.deepEqual([await quorums(), await answering()], [new Set(['lost']), new Set(['director'])]);
    // 3 again, and not enough.
    ward.set('real1', true);
    await ward.untilAll(FIRST, 'down');
    ward.set('real2', false);
    await ward.untilAll(second, 'replaced');
    assert.deepEqual([await quorums(), await answering()], [new Set(['lost']), new Set(['director'])]);
    const failed = await talkers.failures();
    assert.deepEqual(new Set(failed.map(({ server }) => server)), new Set(['real1', 'real2']));
    ward.set('real1', false);
    await ward.untilAll(FIRST, 'up');
    assert.deepEqual([await quorums(), await answering(12)], [new Set(['met']), new Set(['real1', 'real2'])]);
  });

  await context.test('with fastInterval alone, many results in a row are soon there: down and up', async () => {
    const slow = 'interval: 4, timeout: 3, fall: 20, rise: 20';
    // More than a minute without it.
    lab.configure(simple(`checks: [{ type: http, port: ${CHECKED} }], ${slow}, fastInterval: 0.1`));
    await lab.beeline(['reload']);
    for (const state of ['down', 'up'] as const) {
      ward.set('real1', state === 'down');
      await ward.untilAll(FIRST, state);
    }
    assert.deepEqual(await answering(12), new Set(['real1', 'real2']));
  });

  await context.test('none is left: refused, dropped, or all are used, as the service says', async () => {
    ward.set('real1', true);
    ward.set('real2', true);
    for (const [policy, more, found] of [
      ['', '', 'ECONNREFUSED'],
      ['', ', noDestination: drop', 'timeout'],
      [', panic: true', '', 'real1 real2'],
    ] as const) {
      lab.configure(simple(`${HTTP_CHECKS}${policy}`, 'both', more));
      await lab.beeline(['reload']);
      await ward.untilAll(new Set([...FIRST, TWO.ipv4, TWO.ipv6]), policy === '' ? 'down' : 'panic');
      assert.deepEqual([...(await answering(8))].sort().join(' '), found);
    }
    // An operator's word is stronger than panic.
    for (const address of FIRST) {
      await lab.beeline(['disable', 'all', address]);
    }
    assert.deepEqual(await answering(), new Set(['real2']));
    for (const address of FIRST) {
      await lab.beeline(['enable', 'all', address]);
    }
    assert.deepEqual(await answering(8), new Set(['real1', 'real2']));
    ward.set('real1', false);
    ward.set('real2', false);
    await ward.untilAll(FIRST, 'up');
  });

  await context.test('one that comes and goes is held down until it is steady', async () => {
    lab.configure(simple(`${HTTP_CHECKS}, fastInterval: 0.1, damping: { changes: 2, within: 60, hold: 10 }`));
    await lab.beeline(['reload']);
    for (const state of ['down', 'up', 'down'] as const) {
      ward.set('real1', state === 'down');
      await ward.untilAll(FIRST, state);
    }
    ward.set('real1', false);
    assert.match(await lab.beeline(['list', '--checks']), / held /);
    assert.deepEqual(await answering(), new Set(['real2']));
    await ward.untilAll(FIRST, 'up');
  });
});

test('real servers of a VLAN, whose checks leave by the VLAN device of the host', async (context) => {
  const lab = await TestLab.build(context, 'tagged');
  const [device, rip, rip6] = [`${NIC}.20`, '192.168.20.31', 'fd20::31'];
  const trial = ['ip', 'link', 'add', 'link', NIC, 'name', 'trial', 'type', 'vlan', 'id', '9'];
  if (
    !(await lab.exec('client', trial).then(
      () => true,
      () => false,
    ))
  ) {
    context.skip('this kernel has no VLAN devices');
    return;
  }
  for (const host of ['director', 'real1'] as const) {
    // XDP sees tags as bytes of the frame only if the card does not remove them.
    await lab.exec(host, ['ethtool', '-K', NIC, 'rxvlan', 'off', 'txvlan', 'off']);
    await lab.exec('switch', ['ethtool', '-K', host, 'rxvlan', 'off', 'txvlan', 'off']);
    await lab.exec(host, ['ip', 'link', 'add', 'link', NIC, 'name', device, 'type', 'vlan', 'id', '20']);
    const last = host === 'director' ? '21' : '31';
    await lab.exec(host, ['ip', 'addr', 'add', `192.168.20.${last}/24`, 'dev', device]);
    await lab.exec(host, ['ip', 'addr', 'add', `fd20::${last}/64`, 'dev', device, 'nodad']);
    await lab.exec(host, ['ip', 'link', 'set', device, 'up']);
    await lab.sysctls(host, { [`net/ipv4/conf/${device}/rp_filter`]: '0', 'net/ipv4/conf/all/rp_filter': '0' });
  }
  const service = (vip: string, address: string, check: string): string =>
    `  - { address: "${vip}", port: 80, health: { checks: ${check}, interval: 0.3, timeout: 1, fall: 2 }, ` +
    `realServers: [{ address: "${address}", vlan: 20 }] }\n`;
  lab.configure(
    `interfaces: [${NIC}]\nvlans: true\nservices:\n${service(VIP4, rip, '[http, tcp]')}${service(VIP6, rip6, '[http, ping]')}`,
  );
  await lab.startDirector();
  const states = async (): Promise<string[]> =>
    (await lab.ask('checks', {})).flatMap(({ realServers }) =>
      realServers.flatMap(({ checks }) =>
        checks.map(({ state, last, trouble }) => [state, last?.layer, last?.words, trouble].filter(Boolean).join(' ')),
      ),
    );
  const expect = async (...expected: string[]): Promise<void> => {
    await lab
      .until('the states are so', async () => (await states()).join() === expected.join())
      .catch(async () => {
        assert.deepEqual(await states(), expected);
      });
  };
  const pages = async (): Promise<Set<string>> =>
    new Set([...(await lab.pages(2)), ...(await lab.pages(2, `http://[${VIP6}]/`))]);
  const up = ['up L7 status 200', 'up L4 ok', 'up L7 status 200', 'up L3 ok'];
  await expect(...up);
  assert.deepEqual(await pages(), new Set([PAGES.real1]));

  await context.test('one whose VIPs are gone is down, whether it forwards or not', async () => {
    await lab.exec('real1', ['ip', 'addr', 'del', `${VIP4}/32`, 'dev', 'lo']);
    await lab.exec('real1', ['ip', 'addr', 'del', `${VIP6}/128`, 'dev', 'lo']);
    await expect('down L4 timeout', 'down L4 timeout', 'down L4 timeout', 'down L3 timeout');
    await lab.sysctls('real1', { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' });
    const forwards = 'down L3 has no VIP: it forwards what is for it';
    await expect(forwards, forwards, forwards, forwards);
    await lab.sysctls('real1', { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' });
    await lab.exec('real1', ['ip', 'addr', 'add', `${VIP4}/32`, 'dev', 'lo']);
    await lab.exec('real1', ['ip', 'addr', 'add', `${VIP6}/128`, 'dev', 'lo', 'nodad']);
    await expect(...up);
    assert.deepEqual(await pages(), new Set([PAGES.real1]));
  });

  await context.test('without the VLAN device its checks cannot be made, and its state stays', async () => {
    await lab.exec('director', ['ip', 'link', 'del', device]);
    const isTold = async (): Promise<boolean> => (await states()).every((each) => /route|VLAN|unreachable/.test(each));
    await lab.until('that is told', isTold).catch(async () => {
      assert.deepEqual(await states(), []);
    });
    assert.ok((await states()).every((each) => each.startsWith('up ')));
  });
});
