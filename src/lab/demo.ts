/** `scripts/demo`: runs the director in a lab, proves by captures that it forwards, and lets a real server fail and come back. */

import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { Command } from 'commander';

import { BeelineError } from '../model/index.js';
import { isTcp, parseFrame, TCP_FLAG, type TcpFrame } from '../packet/index.js';
import { Capture } from './capture.js';
import { Lab } from './lab.js';
import { type HostName, hostNamed, HOSTS, LAB_CONFIG, NIC, PAGES, VIP4 } from './topology.js';

const LAB_NAME = 'demo';
const REQUESTS = 8;
/** Fixed, so that the same requests go to the same real servers each time: some to each. */
const FIRST_LOCAL_PORT = 40_001;
const REAL_SERVERS = ['real1', 'real2'] as const;
/** Faster than the defaults, so that nobody waits. */
const HEALTH = '{ checks: http, interval: 0.5, fall: 2 }';
const SERVICE = `${VIP4}:80`;
const STATE_TIMEOUT_MS = 20_000;

/** A check of the demo that failed. */
class DemoFailure extends Error {}

const program = new Command('scripts/demo')
  .description(
    'Build a lab, run the director in it, prove by capture that it forwards at the network card, and let a real server fail.',
  )
  .option('--keep', 'leave the lab and the director running')
  .action(async ({ keep = false }: { keep?: boolean }) => {
    process.exitCode = await demo(keep);
  });

async function demo(keep: boolean): Promise<number> {
  const lab = new Lab(LAB_NAME);
  const interrupt = new AbortController();
  const onSignal = (): void => {
    interrupt.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  // The reader may have ended: scripts/demo | head.
  process.stdout.on('error', onSignal);
  let kept = false;
  try {
    if (await lab.down()) {
      say('removed the lab of an earlier demo');
    }
    await show(lab, interrupt.signal);
    kept = keep;
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) {
      process.stderr.write('\ninterrupted\n');
      return 130;
    }
    if (error instanceof DemoFailure || error instanceof BeelineError) {
      process.stderr.write(`\nFAILED: ${error.message}\n`);
      return 1;
    }
    throw error;
  } finally {
    if (kept) {
      sayHowToLookAround(lab);
    } else {
      await lab.down();
      say('removed the lab');
    }
  }
}

async function show(lab: Lab, signal: AbortSignal): Promise<void> {
  const started = performance.now();
  await lab.up(signal);
  writeFileSync(lab.configPath, LAB_CONFIG.replaceAll(/^( +)port: 80$/gm, `$&\n$1health: ${HEALTH}`));
  say(`lab: ${HOSTS.map(({ name, ipv4 }) => `${name} ${ipv4}`).join(', ')}, VIP ${VIP4} (${took(started)})`);

  const directorStarted = performance.now();
  await lab.startDirector([], signal);
  const { interfaces } = JSON.parse(await lab.beeline(['status', '--json'], signal)) as {
    interfaces: { name: string; mode: string }[];
  };
  say(
    `director: XDP on ${interfaces.map(({ name, mode }) => `${name}, ${mode} mode`).join()} (${took(directorStarted)})`,
  );

  const captures = new Map<HostName, Capture>();
  for (const host of ['client', ...REAL_SERVERS] as const) {
    captures.set(host, await Capture.start(lab, host, NIC, `tcp and dst host ${VIP4} and dst port 80`));
  }
  let answers: string[];
  const frames = new Map<HostName, TcpFrame[]>();
  try {
    answers = await ask(lab, signal);
  } finally {
    for (const [host, capture] of captures) {
      frames.set(host, (await capture.stop()).map(parseFrame).filter(isTcp));
    }
  }
  prove(frames);
  await showCounters(lab, signal);
  const missing = REAL_SERVERS.filter((host) => !answers.includes(PAGES[host]!));
  if (missing.length > 0) {
    throw new DemoFailure(`${missing.join(' and ')} answered no request`);
  }
  say('\nBoth real servers answered, and every packet reached them as the client had sent it.');
  await failAndComeBack(lab, signal);
  say(`\nA real server that fails takes no requests, and one that is back takes its part (${took(started)} in all).`);
}

/** Requests the VIP's page a few times and prints which real server answered. */
async function ask(lab: Lab, signal: AbortSignal): Promise<string[]> {
  say(`\n${REQUESTS} requests by the client: curl http://${VIP4}/`);
  const answers = await request(lab, FIRST_LOCAL_PORT, signal);
  answers.forEach((page, i) => {
    say(`  ${i + 1}  ${page}`);
  });
  return answers;
}

/** Throws if a request fails. */
async function request(lab: Lab, firstLocalPort: number, signal: AbortSignal): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < REQUESTS; i += 1) {
    const port = ['--local-port', String(firstLocalPort + i)];
    const page = await lab.exec('client', ['curl', '-sS', '--max-time', '3', ...port, `http://${VIP4}/`], signal);
    answers.push(page.trim());
  }
  return answers;
}

/** Takes the VIP from a real server whose own address goes on answering, and gives it back. */
async function failAndComeBack(lab: Lab, signal: AbortSignal): Promise<void> {
  const { name, ipv4 } = hostNamed('real1');
  const vip = (action: 'add' | 'del'): Promise<string> =>
    lab.exec(name, ['ip', 'address', action, `${VIP4}/32`, 'dev', 'lo'], signal);
  await vip('del');
  const own = await lab.exec('client', ['curl', '-sS', '--max-time', '3', `http://${ipv4}/`], signal);
  say(`\n${name} loses the VIP. Its own address still answers: curl http://${ipv4}/: ${own.trim()}`);
  await untilChecked(lab, ipv4, 'down', signal);
  say('Health checks go to the VIP, through each real server (health: http): beeline list --checks');
  sayIndented(await lab.beeline(['list', '--checks', SERVICE], signal));
  if ((await tally(lab, FIRST_LOCAL_PORT + 100, signal)).includes(PAGES[name]!)) {
    throw new DemoFailure(`${name} answered although its checks fail`);
  }
  await vip('add');
  await untilChecked(lab, ipv4, 'up', signal);
  say(`${name} has the VIP again`);
  if (!(await tally(lab, FIRST_LOCAL_PORT + 200, signal)).includes(PAGES[name]!)) {
    throw new DemoFailure(`${name} answered no request after its checks passed`);
  }
}

/** Waits until the checks say so. */
async function untilChecked(lab: Lab, address: string, wanted: 'up' | 'down', signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + STATE_TIMEOUT_MS;
  for (;;) {
    const [service] = JSON.parse(await lab.beeline(['list', '--checks', '--json', SERVICE], signal)) as [
      { realServers: { address: string; state: string }[] },
    ];
    if (service.realServers.find((each) => each.address === address)?.state === wanted) {
      return;
    }
    if (performance.now() > deadline) {
      throw new DemoFailure(`the checks of ${address} do not say "${wanted}" after ${STATE_TIMEOUT_MS / 1000} s`);
    }
    await sleep(50, undefined, { signal });
  }
}

/** Requests the VIP's page again, and prints how often each real server answered. */
async function tally(lab: Lab, firstLocalPort: number, signal: AbortSignal): Promise<string[]> {
  const answers = await request(lab, firstLocalPort, signal);
  const counts = REAL_SERVERS.map((host) => `${host} ${answers.filter((page) => page === PAGES[host]).length}`);
  say(`  ${REQUESTS} requests, answered by: ${counts.join(', ')}`);
  return answers;
}

/** Checks that every packet of the client reached a real server with other MACs and no other byte changed. */
function prove(frames: ReadonlyMap<HostName, readonly TcpFrame[]>): void {
  const arrived = REAL_SERVERS.flatMap((host) => (frames.get(host) ?? []).map((frame) => ({ host, frame })));
  const sent = frames.get('client') ?? [];
  if (sent.length === 0) {
    throw new DemoFailure('the capture shows no packet of the client');
  }
  const director = hostNamed('director').mac;
  for (const frame of sent) {
    const found = arrived.find((each) => isSamePacket(each.frame, frame));
    if (found === undefined) {
      throw new DemoFailure(`a packet of the client reached no real server as it was sent: ${describe(frame)}`);
    }
    const macs = `${found.frame.sourceMac} > ${found.frame.destinationMac}`;
    if (macs !== `${director} > ${hostNamed(found.host).mac}`) {
      throw new DemoFailure(`a packet reached ${found.host} with the MACs ${macs}`);
    }
  }
  const first = sent.find(({ ip }) => ip.tcpFlags === TCP_FLAG.syn) ?? sent[0]!;
  const { host, frame } = arrived.find((each) => isSamePacket(each.frame, first))!;
  say('\nOne packet, captured where it left and where it arrived');
  say(`  client  ${describe(first)}`);
  say(`  ${host}   ${describe(frame)}`);
  say(
    `  The MACs were rewritten; all ${frame.ip.bytes.length} bytes from the IP header on are the same, TTL and checksums ` +
      `included.\n  The same holds for all ${sent.length} packets of the client.`,
  );
}

function isSamePacket(a: TcpFrame, b: TcpFrame): boolean {
  return Buffer.compare(a.ip.bytes, b.ip.bytes) === 0;
}

function describe({ sourceMac, destinationMac, ip: { source, destination, ports, ttl } }: TcpFrame): string {
  return (
    `${sourceMac} > ${destinationMac}  ` +
    `${source}:${ports?.source ?? '?'} > ${destination}:${ports?.destination ?? '?'}  ttl ${ttl}`
  );
}

async function showCounters(lab: Lab, signal: AbortSignal): Promise<void> {
  say("\nThe director's counters, summed over the CPUs: beeline list");
  sayIndented(await lab.beeline(['list'], signal));
}

function sayIndented(text: string): void {
  say(text.trimEnd().replaceAll(/^(?=.)/gm, '  '));
}

function sayHowToLookAround({ name, configPath }: Lab): void {
  const beeline = `${process.env['SUDO_USER'] === undefined ? '' : 'sudo '}scripts/beeline`;
  say(`
The lab and the director are still running. To look around:
  ${beeline} --instance ${name} status
  ${beeline} lab exec --name ${name} client curl http://${VIP4}/
  ${beeline} lab down ${name}
The configuration is ${configPath}; after a change: ${beeline} --instance ${name} reload`);
}

function took(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await program.parseAsync();
