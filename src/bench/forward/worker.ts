/** The process that measures forwarding, alone in its network namespace, on one CPU. Argument: the job, as JSON. */

import { readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { run } from '../../lab/index.js';
import { BeelineError } from '../../model/index.js';
import { measureInRounds } from '../measure/rounds.js';
import { type Judgement, round, spreadOf } from '../measure/statistics.js';
import { type Contender, CONTENDERS, type DirectorName, prepareNamespace } from './contenders.js';
import { cpuTimes, type CpuTimes, elapsed, umlNote, umlTicks } from './cpu-time.js';
import type { ForwardRow, Job, Message } from './job.js';
import { type Hotspot, profile } from './profile.js';
import { startUml } from './uml.js';
import { type Arrival, FEWEST_PACKETS, interfaceNamed, Wire } from './wire.js';

/** Packets of the first run, by which the number of packets that fill a measurement is computed. */
const CALIBRATION_PACKETS = 50_000;
/** The time a packet at which the client sends to a queue: it does not wait for the director. */
const OFFERED_NS = 250;
/** The directors that the report compares by their profiles when a goal is missed. */
const PROFILED: readonly ForwardRow['director'][] = ['mac-rewrite', 'beeline', 'beeline-moved'];
const PROFILE_MS = 500;
const MAX_PACKETS = 20_000_000;
/** The time to wait for packets after the last one was sent. */
const SETTLE_MS = 20;

/** Sums over one director's measurements. */
interface Totals {
  sent: number;
  received: number;
  ranNs: number;
  waitedNs: number;
  readonly stations: number[];
}

async function work(job: Job): Promise<void> {
  if (job.external === undefined) {
    requireEmptyNamespace();
    await prepareNamespace();
  }
  using wire = new Wire(job.flows);
  const contenders: Contender[] = [];
  try {
    for (const director of job.directors) {
      contenders.push(await build(director, wire, job.directory));
    }
    if (job.external !== undefined) {
      const { device, ...target } = job.external;
      const far = await interfaceNamed(device);
      wire.attach('count', far);
      contenders.push({ ...target, director: 'mac-rewrite', far, stations: [1] });
    }
    const uml = job.directors.includes('ipvs-uml') ? umlTicks() : undefined;
    const rows = await measure(job, wire, contenders);
    const notes = uml === undefined ? [] : [umlNote(uml, umlTicks())];
    await send({ type: 'rows', rows, versions: await versions(job.directors), notes });
  } finally {
    for (const { close } of contenders) {
      await close?.();
    }
  }
}

function build(director: DirectorName, wire: Wire, directory: string): Promise<Contender> {
  return director === 'ipvs-uml' ? startUml(wire, directory) : CONTENDERS[director](wire);
}

/** Refuses to run in a namespace with interfaces, whose network the settings would change. @throws BeelineError `BENCH_DEVICE` */
function requireEmptyNamespace(): void {
  const names = [...readFileSync('/proc/self/net/dev', 'utf8').matchAll(/^ *([^ :]+):/gm)].map(([, name]) => name!);
  const foreign = names.filter((name) => name !== 'lo');
  if (foreign.length > 0) {
    throw new BeelineError('BENCH_DEVICE', `${foreign.join(', ')} is no device of the bench's lab`, {
      hint: 'Start it by "beeline bench forward", which makes a network namespace for it.',
    });
  }
}

async function measure(job: Job, wire: Wire, contenders: readonly Contender[]): Promise<ForwardRow[]> {
  const packets = new Map<Contender, number>();
  const totals = new Map<Contender, Totals>();
  for (const contender of contenders) {
    const { nsPerPacket } = await sendTo(wire, contender, CALIBRATION_PACKETS);
    const wanted = Math.round((job.durationMs * 1e6) / (contender.isProcess === true ? OFFERED_NS : nsPerPacket));
    packets.set(contender, Math.min(MAX_PACKETS, Math.max(FEWEST_PACKETS, wanted)));
    totals.set(contender, { sent: 0, received: 0, ranNs: 0, waitedNs: 0, stations: [] });
  }
  const limit = contenders.find(({ director }) => director === 'mac-rewrite')!;
  let harnessNs = 0;
  const judgements = await measureInRounds({
    paths: contenders,
    floorOf: () => limit,
    measure: async (contender) => {
      const before = cpuTimes();
      const arrival = await sendTo(wire, contender, packets.get(contender)!);
      const cpu = elapsed(before, cpuTimes());
      add(totals.get(contender)!, arrival, cpu, contender.isProcess === true);
      if (contender.isProcess === true) {
        return harnessNs + cpu.childrenNs / arrival.received;
      }
      // Time in which other programs had the CPU is left out.
      const ns = (arrival.nsPerPacket * cpu.ranNs) / (cpu.ranNs + cpu.waitedNs);
      harnessNs = contender.director === 'drop' ? ns : harnessNs;
      return ns;
    },
    rounds: job.rounds,
    onProgress: (done, total) => {
      void send({ type: 'progress', done, total });
    },
  });
  const drop = contenders.find(({ director }) => director === 'drop');
  const dropNs = drop === undefined ? 0 : medianCost(judgements.get(drop)!);
  const rows: ForwardRow[] = [];
  for (const each of contenders) {
    const row = toRow(each, judgements.get(each)!, totals.get(each)!, dropNs, job);
    const hotspots = PROFILED.includes(row.director) ? await profileOf(wire, each, row, job) : undefined;
    rows.push(hotspots === undefined ? row : { ...row, hotspots });
  }
  return rows;
}

/** Profiles a director. The measurements run without perf, which costs time. */
function profileOf(wire: Wire, contender: Contender, { mpps }: ForwardRow, job: Job): Promise<Hotspot[] | undefined> {
  return profile(job.directory, () => {
    wire.send(contender.far, contender, Math.round(mpps * PROFILE_MS * 1000));
  });
}

/** Sends packets to a director. @throws BeelineError `BENCH_FAILED` when packets did not arrive where they must */
async function sendTo(wire: Wire, contender: Contender, packets: number): Promise<Arrival> {
  const { director, far, stations, isProcess = false } = contender;
  if (isProcess) {
    // So that the director gets the CPU as soon as there are packets, as by a network card's interrupt.
    setPriority(constants.priority.PRIORITY_LOW);
  }
  let arrival = wire.send(far, contender, packets);
  if (isProcess) {
    await sleep(SETTLE_MS);
    arrival = wire.arrival(packets);
    setPriority(constants.priority.PRIORITY_NORMAL);
  }
  const missing = stations.filter((station) => arrival.stations[station] === 0);
  if (missing.length > 0 || (!isProcess && !Number.isFinite(arrival.nsPerPacket))) {
    throw new BeelineError('BENCH_FAILED', `${director} forwarded ${arrival.received} of ${packets} packets`, {
      hint: `Stations received ${arrival.stations.join(', ')}.`,
    });
  }
  if (arrival.received < packets / 2 && !isProcess) {
    throw new BeelineError('BENCH_FAILED', `${director} lost ${packets - arrival.received} of ${packets} packets`);
  }
  return arrival;
}

function add(totals: Totals, { sent, received, stations }: Arrival, cpu: CpuTimes, isProcess: boolean): void {
  totals.sent += sent;
  totals.received += received;
  // For a director in a process: its time, and the client's.
  totals.ranNs += isProcess ? cpu.childrenNs : cpu.ranNs;
  totals.waitedNs += isProcess ? cpu.ranNs : cpu.waitedNs;
  stations.forEach((packets, i) => (totals.stations[i] = (totals.stations[i] ?? 0) + packets));
}

function medianCost({ samples }: Judgement): number {
  return spreadOf(samples.map(({ own }) => own)).median;
}

function toRow(
  { director, stations }: Contender,
  judgement: Judgement,
  totals: Totals,
  dropNs: number,
  { external }: Job,
): ForwardRow {
  const costs = spreadOf(judgement.samples.map(({ own }) => own));
  const ratios = spreadOf(judgement.samples.map(({ own, before, after }) => (before + after) / (2 * own)));
  const above = spreadOf(judgement.samples.map(({ own, before, after }) => own - (before + after) / 2));
  const perSecond = (ns: number): number => round(1000 / ns, 3);
  return {
    director: external === undefined ? director : 'external',
    mpps: perSecond(costs.median),
    min: perSecond(costs.max),
    max: perSecond(costs.min),
    ratioToMacRewrite: round(ratios.median, 3),
    ratioMin: round(ratios.min, 3),
    ratioMax: round(ratios.max, 3),
    aboveMacRewriteNs: round(above.median, 1),
    aboveMin: round(above.min, 1),
    aboveMax: round(above.max, 1),
    ownNs: round(costs.median - dropNs, 1),
    cpuPercent: round((100 * totals.ranNs) / (totals.ranNs + totals.waitedNs), 1),
    lostPercent: round(100 * (1 - totals.received / totals.sent), 2),
    realServers: stations[0] === 0 ? [] : totals.stations.slice(1, 3),
    disturbed: judgement.disturbed,
  };
}

/** Returns the versions of the other directors. */
async function versions(directors: readonly DirectorName[]): Promise<Record<string, string>> {
  return {
    ...(directors.includes('nftables') && {
      nftables: firstLine(await run('nft', ['--version'])).replace('nftables ', ''),
    }),
    ...(directors.includes('ipvs') && { ipvsadm: firstLine(await run('ipvsadm', ['--version'])) }),
    ...(directors.includes('ipvs-uml') && { 'user-mode-linux': firstLine(await run('linux.uml', ['--version'])) }),
  };
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]!;
}

/** Sends a message to the command and resolves when it is sent. */
function send(message: Message): Promise<void> {
  return new Promise((resolve) => {
    process.send!(message, () => {
      resolve();
    });
  });
}

// The command has ended: nothing reads the result.
process.once('disconnect', () => process.exit(1));
// Not awaited: the bundle is CommonJS, which has no await outside of functions.
void main();

async function main(): Promise<void> {
  try {
    await work(JSON.parse(process.argv[2]!) as Job);
  } catch (error) {
    if (!(error instanceof BeelineError)) {
      throw error;
    }
    await send({ type: 'error', code: error.code, message: error.message, hint: error.hint });
  }
  // The kernel ends all other processes of the PID namespace with its first one.
  process.exit();
}
