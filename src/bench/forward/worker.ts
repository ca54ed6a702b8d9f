/** The process that measures forwarding: alone in its network namespace, on one CPU. Its argument is the job, as JSON. */

import { readdirSync, readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { run } from '../../lab/index.js';
import { BeelineError } from '../../model/index.js';
import { measureInRounds } from '../report/rounds.js';
import { type Judgement, round, spreadOf } from '../report/statistics.js';
import { type Contender, CONTENDERS, type DirectorName, prepareNamespace } from './contenders.js';
import type { ForwardRow, Job, Message } from './job.js';
import { type Hotspot, profile } from './profile.js';
import { startUml } from './uml.js';
import { type Arrival, FEWEST_PACKETS, interfaceNamed, Wire } from './wire.js';

/** Packets of the first run, which tells how many fill the time asked for. */
const CALIBRATION_PACKETS = 50_000;
/** How fast the client offers packets to a queue: nobody waits for who takes them. */
const OFFERED_NS = 250;
/** What the report explains when the goal is missed. */
const PROFILED: readonly ForwardRow['director'][] = ['mac-rewrite', 'beeline'];
const PROFILE_MS = 500;
const MOST_PACKETS = 20_000_000;
/** How long packets may still be on their way when the last one was sent. */
const SETTLE_MS = 20;

/** What one director's measurements added up to. */
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
    await tell({ type: 'rows', rows, versions: await versions(job.directors), notes });
  } finally {
    for (const { close } of contenders) {
      await close?.();
    }
  }
}

function build(director: DirectorName, wire: Wire, directory: string): Promise<Contender> {
  return director === 'ipvs-uml' ? startUml(wire, directory) : CONTENDERS[director](wire);
}

/** Everything that is set here would change somebody's network otherwise. @throws BeelineError `BENCH_DEVICE` */
function requireEmptyNamespace(): void {
  const names = [...readFileSync('/proc/self/net/dev', 'utf8').matchAll(/^ *([^ :]+):/gm)].map(([, name]) => name!);
  const foreign = names.filter((name) => name !== 'lo');
  if (foreign.length > 0) {
    throw new BeelineError('BENCH_DEVICE', `${foreign.join(', ')} is no device of the bench's lab`, {
      hint: 'Start it by "beeline bench forward", which makes a network namespace of its own.',
    });
  }
}

async function measure(job: Job, wire: Wire, contenders: readonly Contender[]): Promise<ForwardRow[]> {
  const packets = new Map<Contender, number>();
  const totals = new Map<Contender, Totals>();
  for (const contender of contenders) {
    const { nsPerPacket } = await sendTo(wire, contender, CALIBRATION_PACKETS);
    const wanted = Math.round((job.durationMs * 1e6) / (contender.isProcess === true ? OFFERED_NS : nsPerPacket));
    packets.set(contender, Math.min(MOST_PACKETS, Math.max(FEWEST_PACKETS, wanted)));
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
      // Without the time in which other programs had the CPU.
      const ns = (arrival.nsPerPacket * cpu.ranNs) / (cpu.ranNs + cpu.waitedNs);
      harnessNs = contender.director === 'drop' ? ns : harnessNs;
      return ns;
    },
    rounds: job.rounds,
    onProgress: (done, total) => {
      void tell({ type: 'progress', done, total });
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

/** Where its time goes; looked at apart, since looking costs time too. */
function profileOf(wire: Wire, contender: Contender, { mpps }: ForwardRow, job: Job): Promise<Hotspot[] | undefined> {
  return profile(job.directory, () => {
    wire.send(contender.far, contender, Math.round(mpps * PROFILE_MS * 1000));
  });
}

/** @throws BeelineError `BENCH_FAILED` when packets did not arrive where they must */
async function sendTo(wire: Wire, contender: Contender, packets: number): Promise<Arrival> {
  const { director, far, stations, isProcess = false } = contender;
  if (isProcess) {
    // It should get the CPU as soon as there are packets for it, as a network card's interrupt would have it.
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
      hint: `Stations got ${arrival.stations.join(', ')}.`,
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
  // What a director that is a process had, and what the client took.
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
  const perSecond = (ns: number): number => round(1000 / ns, 3);
  return {
    director: external === undefined ? director : 'external',
    mpps: perSecond(costs.median),
    min: perSecond(costs.max),
    max: perSecond(costs.min),
    ratioToMacRewrite: round(ratios.median, 3),
    ratioMin: round(ratios.min, 3),
    ratioMax: round(ratios.max, 3),
    ownNs: round(costs.median - dropNs, 1),
    cpuPercent: round((100 * totals.ranNs) / (totals.ranNs + totals.waitedNs), 1),
    lostPercent: round(100 * (1 - totals.received / totals.sent), 2),
    realServers: stations[0] === 0 ? [] : totals.stations.slice(1, 3),
    disturbed: judgement.disturbed,
  };
}

/** Nanoseconds. */
interface CpuTimes {
  /** That this thread had a CPU, the network's work on its time included. */
  readonly ranNs: number;
  /** That it could have run while others did. */
  readonly waitedNs: number;
  /** That the processes it started had a CPU. */
  readonly childrenNs: number;
}

function cpuTimes(): CpuTimes {
  const [ranNs, waitedNs] = schedstat('/proc/thread-self');
  const children = readFileSync('/proc/thread-self/children', 'utf8').trim().split(' ').filter(Boolean);
  const threads = children.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((id) => `/proc/${pid}/task/${id}`));
  return { ranNs, waitedNs, childrenNs: threads.reduce((sum, path) => sum + schedstat(path)[0], 0) };
}

/** Time on a CPU, time on a run queue (linux/Documentation/scheduler/sched-stats.rst). */
function schedstat(path: string): [ranNs: number, waitedNs: number] {
  const [ran, waited] = readFileSync(`${path}/schedstat`, 'utf8').split(' ').map(Number);
  return [ran!, waited!];
}

function elapsed(before: CpuTimes, after: CpuTimes): CpuTimes {
  return {
    ranNs: after.ranNs - before.ranNs,
    waitedNs: after.waitedNs - before.waitedNs,
    childrenNs: after.childrenNs - before.childrenNs,
  };
}

/** Clock ticks of user-mode Linux in its own code and in this kernel: fields 14 and 15 of /proc/PID/stat (proc(5)). */
function umlTicks(): [user: number, system: number] {
  const [pid] = readFileSync('/proc/thread-self/children', 'utf8').trim().split(' ');
  const stat = readFileSync(`/proc/${pid!}/stat`, 'utf8');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return [fields[11]!, fields[12]!];
}

function umlNote(before: readonly [number, number], after: readonly [number, number]): string {
  const [user, system] = [after[0] - before[0], after[1] - before[1]];
  return (
    `User-mode Linux reads and writes each packet by a system call: ${Math.round((100 * system) / (user + system))} % of its ` +
    'time went there, and the rest into an IPVS without hardware of its own. Its rate is what its CPU time a packet and the ' +
    'harness would allow. In this kernel IPVS would be faster.'
  );
}

/** Of the other directors. */
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

/** Resolves when the message is on its way. */
function tell(message: Message): Promise<void> {
  return new Promise((resolve) => {
    process.send!(message, () => {
      resolve();
    });
  });
}

// Nobody waits for the result any more.
process.once('disconnect', () => process.exit(1));
try {
  await work(JSON.parse(process.argv[2]!) as Job);
} catch (error) {
  if (!(error instanceof BeelineError)) {
    throw error;
  }
  await tell({ type: 'error', code: error.code, message: error.message, hint: error.hint });
}
// As the first process of its namespace it takes all others with it.
process.exit();
