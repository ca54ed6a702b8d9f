/**
 * The processes of the benchmark of checks, each in a network namespace of its own.
 *
 *   measure addon|engine|node tcp|http RATE SECONDS    makes the network and prints the costs as JSON
 *   serve                                       the real servers; waits for its cable, ends with stdin
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { Checker, type CheckJob, Wire } from '../../health/index.js';
import { type Check, ip as address, type IpAddress, type Service } from '../../model/index.js';
import { bootTimeMs } from '../../native/index.js';
import { Network } from '../../net/index.js';

const [role, ...rest] = process.argv.slice(2) as [string, ...string[]];

const REAL_SERVERS = 1000;
const LOCAL = address('10.77.0.1');
const VIP = address('10.78.0.1');
const RIPS = Array.from({ length: REAL_SERVERS }, (_, i) => address(`10.77.${1 + (i >> 8)}.${i & 255}`));
const MAC = '02:00:00:00:07:02';
const TICK_MS = 5;
const WARM_SECONDS = 2;
const TIMEOUT_MS = 2000;
const REQUEST = Buffer.from(`GET /health HTTP/1.1\r\nHost: ${VIP}\r\nConnection: close\r\n\r\n`);
const RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n';

const batch = (...lines: string[]): void => {
  execFileSync('ip', ['-batch', '-'], { input: lines.join('\n'), stdio: ['pipe', 'ignore', 'inherit'] });
};

function serve(): void {
  process.stdout.write('there\n');
  process.stdin.once('data', () => {
    // One card for all: every address of the network is this host's.
    batch(
      'link set lo up',
      'link set eth0 up',
      `route add ${LOCAL} dev eth0`,
      'route add local 10.77.0.0/16 dev lo',
      `addr add ${VIP}/32 dev lo`,
    );
    const server = createServer((socket) => {
      socket.on('error', () => undefined).on('data', () => socket.write(RESPONSE));
    });
    server.listen(80, '0.0.0.0', 4096, () => process.stdout.write('ready\n'));
  });
  process.stdin.once('end', () => process.exit(0));
}

/** Makes the director's network with the real servers' behind a cable. */
async function makeNetwork(): Promise<{ ifindex: number; servers: ChildProcess }> {
  const servers = spawn('unshare', ['--net', process.execPath, process.argv[1]!, 'serve'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(servers.stdout, 'data');
  batch(
    'link set lo up',
    `link add eth0 type veth peer name eth0 address ${MAC} netns ${servers.pid!}`,
    `addr add ${LOCAL}/16 dev eth0`,
    'link set eth0 up',
    // Permanent ones are not counted against the kernel's limit.
    ...RIPS.map((rip) => `neigh replace ${rip} dev eth0 lladdr ${MAC} nud permanent`),
  );
  servers.stdin.write('go\n');
  await once(servers.stdout, 'data');
  const [link] = JSON.parse(execFileSync('ip', ['-j', 'link', 'show', 'eth0'], { encoding: 'utf8' })) as {
    ifindex: number;
  }[];
  return { ifindex: link!.ifindex, servers };
}

interface Counts {
  ended: number;
  failed: number;
}

/** Returns what starts so many checks. */
function byAddon(wire: Wire, kind: string): (count: number) => void {
  const jobs = RIPS.map((rip) => {
    const what: Pick<CheckJob, 'send' | 'until'> =
      kind === 'tcp' ? { until: { on: 'connected' } } : { send: REQUEST, until: { on: 'http' } };
    return wire.checks.define({
      protocol: 'tcp',
      local: LOCAL,
      rip,
      vip: VIP,
      port: 80,
      timeoutMs: TIMEOUT_MS,
      ...what,
    });
  });
  let next = 0;
  return (count) => {
    wire.checks.start(Uint32Array.from({ length: count }, () => jobs[next++ % jobs.length]!));
  };
}

/** The same with sockets of Node, on ports of the same pool. */
function byNode(wire: Wire, kind: string, counts: Counts): (count: number) => void {
  let next = 0;
  return (count) => {
    for (let i = 0; i < count; i += 1) {
      checkByNode(wire, kind, RIPS[next++ % RIPS.length]!, (isOk) => {
        counts.ended += 1;
        counts.failed += isOk ? 0 : 1;
      });
    }
  };
}

function checkByNode(wire: Wire, kind: string, rip: IpAddress, onEnd: (isOk: boolean) => void): void {
  const localPort = wire.checks.takePort(VIP, rip, LOCAL);
  if (localPort === undefined) {
    onEnd(false);
    return;
  }
  const socket: Socket = connect({ host: rip, port: 80, localAddress: LOCAL, localPort });
  let isOk = false;
  const end = (): void => {
    clearTimeout(timer);
    if (socket.connecting) {
      socket.destroy();
    } else {
      socket.resetAndDestroy();
    }
  };
  const timer = setTimeout(end, TIMEOUT_MS);
  socket.once('connect', () => {
    if (kind === 'tcp') {
      isOk = true;
      end();
    } else {
      socket.write(REQUEST);
    }
  });
  socket.on('data', (bytes) => {
    isOk = bytes.toString('latin1').startsWith('HTTP/1.1 200');
    end();
  });
  socket.on('error', () => undefined);
  socket.once('close', () => {
    clearTimeout(timer);
    wire.checks.releasePort(localPort);
    onEnd(isOk);
  });
}

/** Starts checks at a rate for some seconds, and returns when all have ended. Never catches up after a stall. */
async function drive(start: (count: number) => void, rate: number, seconds: number): Promise<void> {
  const perTick = (rate * TICK_MS) / 1000;
  const begin = performance.now();
  let owed = 0;
  let last = begin;
  while (last - begin < seconds * 1000) {
    await sleep(TICK_MS);
    const now = performance.now();
    owed = Math.min(owed + ((now - last) * rate) / 1000, 4 * perTick);
    last = now;
    start(Math.floor(owed));
    owed -= Math.floor(owed);
  }
}

interface Driver {
  /** Drives checks for some seconds. */
  readonly drive: (seconds: number) => Promise<void>;
  readonly close: () => void | Promise<void>;
}

/** The whole engine: each real server has so many checks a second. */
async function byEngine(kind: string, rate: number, counts: Counts): Promise<Driver> {
  const network = await Network.open(() => undefined);
  const checker = new Checker({
    clock: bootTimeMs,
    network,
    onChange: () => undefined,
    onTransition: () => undefined,
    onTrouble: (message, details) => {
      throw new Error(`${message} ${JSON.stringify(details)}`);
    },
  });
  const checks = Array.from({ length: Math.round(rate / REAL_SERVERS) }, (_, i): Check => {
    const times = { interval: 1, timeout: (TIMEOUT_MS + i) / 1000 };
    return kind === 'tcp' ? { type: 'tcp', ...times } : { type: 'http', path: '/health', ...times };
  });
  const service: Service = {
    address: VIP,
    port: 80,
    protocol: 'tcp',
    scheduler: 'rr',
    destinations: RIPS.map((rip) => ({ address: rip, weight: 1 })),
    health: { checks },
  };
  checker.follow({ interfaces: ['eth0'], mode: 'auto', services: [service] }, { state: {}, own: [] });
  return {
    drive: async (seconds) => {
      await sleep(seconds * 1000);
      const all = checker.all().flatMap((each) => each.checks);
      counts.ended = checker.usage.ended;
      counts.failed = all.filter(({ state }) => !state.isUp || state.against > 0).length;
    },
    close: async () => {
      await checker.close();
      network.close();
    },
  };
}

async function byLoop(by: string, kind: string, rate: number, ifindex: number, counts: Counts): Promise<Driver> {
  const wire = await Wire.open({
    onResults: (results) => {
      counts.ended += results.length;
      for (const { outcome } of results) {
        counts.failed += outcome === 'ok' ? 0 : 1;
      }
    },
  });
  for (const { error } of wire.follow([ifindex])) {
    throw error;
  }
  const start = by === 'addon' ? byAddon(wire, kind) : byNode(wire, kind, counts);
  return {
    drive: (seconds) => drive(start, rate, seconds),
    close: () => {
      wire.close();
    },
  };
}

async function measure(by: string, kind: string, rate: number, seconds: number): Promise<void> {
  const { ifindex, servers } = await makeNetwork();
  const counts: Counts = { ended: 0, failed: 0 };
  const before = process.memoryUsage.rss();
  const driver = await (by === 'engine' ? byEngine(kind, rate, counts) : byLoop(by, kind, rate, ifindex, counts));
  await driver.drive(WARM_SECONDS);
  const [cpu, begin] = [process.cpuUsage(), performance.now()];
  const warm = { ...counts };
  await driver.drive(seconds);
  const used = process.cpuUsage(cpu);
  const elapsed = (performance.now() - begin) / 1000;
  const checks = counts.ended - warm.ended;
  process.stdout.write(
    JSON.stringify({
      perSecond: checks / elapsed,
      cpuPercent: ((used.user + used.system) / 1e6 / elapsed) * 100,
      failed: counts.failed - warm.failed,
      checks,
      memoryMiB: (process.memoryUsage.rss() - before) / 2 ** 20,
    }),
  );
  await driver.close();
  servers.stdin!.end();
  await once(servers, 'close');
  process.exit(0);
}

if (role === 'serve') {
  serve();
} else {
  const [by, kind, rate, seconds] = rest as [string, string, string, string];
  // Not awaited: the bundle is CommonJS, which has no await outside of functions.
  void measure(by, kind, Number(rate), Number(seconds));
}
