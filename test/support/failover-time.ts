/**
 * Measures in a lab how long a real server that fails still gets packets: from the answer that makes its check fail to the last
 * packet. By hand, since times are no tests: node dist/test/support/failover-time.js [--services N] [--apart] [--failures N]
 *
 * All times are those of one capture at the real server. It goes on receiving: it only answers checks by status 503.
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { hostNamed, inNamespace, NIC, VIP4 } from '../../src/lab/index.js';
import { spawn } from 'node:child_process';
import { TestLab } from './lab.js';

const SICK = fileURLToPath(new URL('./sick.js', import.meta.url));
const CHECKED = 8081;
const PORT = 9000;
const RATE = 5000;

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '1' },
    failures: { type: 'string', default: '20' },
    scheduler: { type: 'string', default: 'wrr' },
    interval: { type: 'string' },
    /** Each service's checks are its own: one service's real server fails, not a host. */
    apart: { type: 'boolean', default: false },
  },
});
/** "--cpu-prof" and the like, for the daemon. */
const nodeOptions = (process.env['DAEMON_NODE_OPTIONS'] ?? '').split(' ').filter((each) => each !== '');
const [services, failures] = [Number(values.services), Number(values.failures)];

/** Ten real servers, or two for one service. One fails, and has a host of its own: on the wire all have the VIP. */
const others = services === 1 ? [] : Array.from({ length: 8 }, (_, i) => `192.168.1.${141 + i}`);

function configuration(): string {
  const all = [hostNamed('real1').ipv4, hostNamed('real2').ipv4, ...others];
  const interval = values.interval ?? (values.apart ? '10' : '0.1');
  const service = (i: number): string => {
    const first = i === 0;
    const check = `{ type: http, port: ${CHECKED}${values.apart ? `, path: /${i}` : ''}, interval: ${first ? '0.1' : interval} }`;
    return `  - { address: ${VIP4}, port: ${PORT + i}, protocol: udp, scheduler: ${values.scheduler}, health: { checks: [${check}], fall: 1, rise: 1, timeout: 2 }, realServers: [${all.join(', ')}] }\n`;
  };
  return `interfaces: [${NIC}]\nservices:\n${Array.from({ length: services }, (_, i) => service(i)).join('')}`;
}

/** What the capture has, in its order: microseconds and what. */
interface Seen {
  readonly at: number;
  readonly what: 'packet' | 200 | 503;
}

function* read(path: string): Generator<Seen> {
  const file = readFileSync(path);
  const isNano = file.readUInt32LE(0) === 0xa1b23c4d;
  for (let at = 24; at + 16 <= file.length; at += 16 + file.readUInt32LE(at + 8)) {
    const time = file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4) / (isNano ? 1000 : 1);
    const frame = file.subarray(at + 16, at + 16 + file.readUInt32LE(at + 8));
    if (frame[23] === 17) {
      yield { at: time, what: 'packet' };
      continue;
    }
    const status = /^HTTP\/1\.1 (200|503) \w[^]*x-path: \/(?:\r|0)/.exec(
      frame.subarray(34 + (frame[46]! >> 4) * 4).toString('latin1'),
    )?.[1];
    if (status !== undefined) {
      yield { at: time, what: status === '200' ? 200 : 503 };
    }
  }
}

/** Milliseconds of each failure. */
function delays(path: string): number[] {
  const found: number[] = [];
  let failedAt: number | undefined;
  let last = 0;
  for (const { at, what } of read(path)) {
    if (what === 503) {
      failedAt ??= last = at;
    } else if (what === 200 && failedAt !== undefined) {
      found.push((last - failedAt) / 1000);
      failedAt = undefined;
    } else if (what === 'packet') {
      last = at;
    }
  }
  return found;
}

const afters: (() => unknown)[] = [];
const lab = await TestLab.build({ after: (each: () => unknown) => afters.push(each) } as never, 'failover');
try {
  for (const host of ['real1', 'real2'] as const) {
    const ready = join(lab.directory, `${host}.ready`);
    const file = join(lab.directory, `${host}.sick`);
    lab.startProcess(host, `sick-${host}`, [
      process.execPath,
      SICK,
      'serve',
      host,
      String(CHECKED),
      `silent:${PORT}`,
      file,
      ready,
    ]);
    await lab.until('it listens', () => existsSync(ready));
  }
  for (const address of others) {
    await lab.exec('real2', ['ip', 'addr', 'add', `${address}/24`, 'dev', NIC]);
  }
  lab.configure(configuration());
  const began = performance.now();
  const main = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
  lab.startProcess('director', 'director', [
    process.execPath,
    ...nodeOptions,
    main,
    '--instance',
    lab.name,
    'run',
    lab.configPath,
  ]);
  await lab.until('it answers', async () => (await lab.run('status')).status === 0);
  process.stdout.write(`started in ${Math.round(performance.now() - began)} ms\n`);
  await sleep(values.apart ? 12_000 : 2000);
  lab.startProcess('client', 'stream', [process.execPath, SICK, 'stream', VIP4, String(PORT), String(RATE)]);
  await sleep(1000);
  const path = join(lab.directory, 'real1.pcap');
  const filter = `udp port ${PORT} or (src host ${VIP4} and tcp src port ${CHECKED} and tcp[tcpflags] & tcp-push != 0)`;
  const [command, args] = inNamespace(lab.namespace('real1'), [
    ...['tcpdump', '-i', NIC, '-n', '-s', '256', '-B', '65536', '-Z', 'root', '-w', path, filter],
  ]);
  const tcpdump = spawn(command, args, { stdio: 'ignore' });
  await sleep(1000);
  const sick = join(lab.directory, `real1.sick${values.apart ? '.0' : ''}`);
  for (let i = 0; i < failures; i += 1) {
    writeFileSync(sick, '');
    await sleep(700 + 100 * Math.random());
    rmSync(sick);
    await sleep(900 + 100 * Math.random());
  }
  await sleep(1000);
  tcpdump.kill('SIGINT');
  await sleep(500);
  const found = delays(path).sort((a, b) => a - b);
  assert.ok(found.length > 0);
  const list = found.map((each) => each.toFixed(1)).join(' ');
  process.stdout.write(
    `${found.length} failures: median ${found[found.length >> 1]!.toFixed(1)} ms, worst ${found.at(-1)!.toFixed(1)} ms\n`,
  );
  process.stdout.write(`${list}\n`);
  const log = readFileSync(join(lab.directory, 'director.log'), 'utf8');
  const published = log.split('\n').filter((line) => line.includes('published'));
  process.stdout.write(`${published.slice(-6).join('\n')}\n`);
  await lab.beeline(['stop']);
} finally {
  for (const each of afters) {
    await each();
  }
}
