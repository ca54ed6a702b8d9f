/** `beeline bench`: measures the data path, alone and beside what one would compare it with. */

import { accessSync, constants, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { Command, InvalidArgumentError, Option } from 'commander';

import type { IpvsChoice, Report } from '../../bench/index.js';
import { BeelineError, parseIp } from '../../model/index.js';
import { completes, exitsWith, withExamples } from '../../usage/index.js';
import { interfaces } from '../candidates.js';
import { ExitStatus } from '../exit-status.js';
import { jsonOption, printResult } from '../terminal/print.js';

/** What all benchmarks print to. */
interface OutputOptions {
  readonly json?: true;
  readonly html?: string;
}

interface ProgramOptions extends OutputOptions {
  readonly services?: number;
  readonly destinations?: number;
  readonly flows?: number;
  readonly rounds: number;
  readonly repeat: number;
}

interface ForwardOptions extends OutputOptions {
  readonly flows: number;
  readonly rounds: number;
  readonly duration: number;
  readonly ipvs: IpvsChoice;
  readonly cpu?: number;
  readonly device?: string;
  readonly directorMac?: string;
  readonly vip?: string;
  readonly yesFlood?: string;
}

interface LatencyOptions extends OutputOptions {
  readonly rounds: number;
  readonly requests: number;
  readonly bytes: number;
}

/** BPF_PROG_RUN's `repeat` is an int. */
const MOST_PACKETS = 2 ** 31 - 1;

export function benchCommand(): Command {
  const bench = new Command('bench')
    .summary('measure the data path here')
    .description(
      'Measure the data path on this machine: what a packet costs, how many a second, how long a request takes. Compare ' +
        'figures of one run only: machines differ, and from minute to minute.',
    );
  for (const command of [programCommand(), forwardCommand(), latencyCommand()]) {
    bench.addCommand(command.copyInheritedSettings(bench));
  }
  return exitsWith(
    withExamples(
      bench,
      ['beeline bench program', 'nanoseconds a packet, path by path'],
      ['beeline bench forward --html forward.html', 'packets a second beside other directors, with charts'],
      ['beeline bench latency --requests 200', 'what the director adds to a round trip, quickly'],
    ),
    ExitStatus.interrupted,
  );
}

function withOutput(command: Command): Command {
  return command
    .addOption(jsonOption(' instead of a table'))
    .addOption(
      completes(new Option('--html <file>', 'also write a page with charts, which needs nothing else'), 'file'),
    );
}

function programCommand(): Command {
  return withOutput(new Command('program'))
    .summary('nanoseconds a packet')
    .description(
      'Measure what a packet costs the XDP program, path by path, against XDP programs that do nothing, and how long a ' +
        'change of the configuration and the reading of counters take. Sends nothing.',
    )
    .option('--services <n>', 'measure with this many services, not with the standard sizes', whole)
    .option('--destinations <n>', 'real servers of each service', whole)
    .option('--flows <n>', 'different flows among the packets, a power of two', whole)
    .option('--rounds <n>', 'how often each path is measured, in turn with the others', whole, 11)
    .option('--repeat <n>', 'packets a measurement', whole, 1_000_000)
    .action(async (options: ProgramOptions) => {
      const { html, services, destinations, flows, rounds, repeat } = options;
      requireWritable(html);
      if (repeat > MOST_PACKETS) {
        throw new BeelineError('USAGE', `--repeat is ${MOST_PACKETS} at the most`);
      }
      const { benchProgram, programReport, terminalProgress } = await import('../../bench/index.js');
      const sized = services ?? destinations ?? flows;
      const ask =
        sized === undefined
          ? undefined
          : { services: services ?? 1, destinations: destinations ?? 10, flows: flows ?? 1 << 20 };
      const report = await benchProgram({ rounds, repeat, ask, onProgress: terminalProgress() });
      await output(report, programReport(report), options);
    });
}

function forwardCommand(): Command {
  return withOutput(new Command('forward'))
    .summary('packets a second, beside other directors')
    .description(
      'Measure how many packets a second Beeline forwards on one core, in native and in generic XDP, beside a bare MAC ' +
        'rewrite, the kernel, nftables and IPVS. Everything happens in a network namespace that goes with the command.',
    )
    .option('--flows <n>', 'different flows among the packets, a power of two', whole, 1024)
    .option('--rounds <n>', 'how often each director is measured, in turn with the others', whole, 9)
    .option('--duration <ms>', 'how long a measurement takes', whole, 250)
    .option('--cpu <n>', 'the CPU that everything runs on (default: the last)', cpuNumber)
    .addOption(
      new Option('--ipvs <which>', "IPVS: this kernel's where it has one, Debian's user-mode Linux, or none")
        .choices(['auto', 'uml', 'none'])
        .default('auto'),
    )
    .addOption(
      completes(
        new Option(
          '--device <name>',
          'send out of this interface, to a director of your own, instead of building a lab',
        ),
        interfaces,
      ),
    )
    .option('--director-mac <mac>', "with --device: that director's MAC", mac)
    .option(
      '--vip <address>',
      'with --device: the VIP, port 80, UDP; its real servers have MACs 02:62:65:65:00:01 and on',
      ipv4,
    )
    .option(
      '--yes-flood <name>',
      'with --device: its name again. Millions of frames leave through it, what arrives is dropped',
    )
    .action(async (options: ForwardOptions) => {
      const { html, flows, rounds, duration, ipvs, cpu, yesFlood } = options;
      requireWritable(html);
      const external = externalOf(options);
      const bench = await import('../../bench/index.js');
      const report = await interruptible((signal) =>
        bench.benchForward({
          flows,
          rounds,
          durationMs: duration,
          ipvs,
          cpu,
          external,
          confirmed: yesFlood,
          onProgress: bench.terminalProgress(),
          signal,
        }),
      );
      const machine = bench.machine();
      await output({ machine, ...report }, bench.forwardReport(report, machine), options);
    });
}

function latencyCommand(): Command {
  return withOutput(new Command('latency'))
    .summary('round trips of small requests')
    .description(
      'Measure round trips of small requests in a lab: straight to a real server and, by turns, to the same one through ' +
        'the director.',
    )
    .option('--rounds <n>', 'how often, each time on new connections', whole, 9)
    .option('--requests <n>', 'requests a round and way', whole, 2000)
    .option('--bytes <n>', 'length of a request, and of its answer', whole, 64)
    .action(async (options: LatencyOptions) => {
      const { html, rounds, requests, bytes } = options;
      requireWritable(html);
      const bench = await import('../../bench/index.js');
      const report = await interruptible((signal) =>
        bench.benchLatency({ rounds, requests, bytes, onProgress: bench.terminalProgress(), signal }),
      );
      const machine = bench.machine();
      await output({ machine, ...report }, bench.latencyReport(report, machine), options);
    });
}

/** Undefined: the lab's own directors. */
function externalOf({
  device,
  directorMac,
  vip,
}: ForwardOptions): { device: string; mac: string; vip: string } | undefined {
  if (device === undefined) {
    return undefined;
  }
  if (directorMac === undefined || vip === undefined) {
    throw new BeelineError('USAGE', '--device needs --director-mac and --vip', {
      hint: 'They say which director the packets are for.',
    });
  }
  return { device, mac: directorMac, vip };
}

/** Runs something that a signal ends in order: what it made is removed before the command ends. */
async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    interrupt.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  signals.forEach((name) => process.on(name, onSignal));
  try {
    return await work(interrupt.signal);
  } finally {
    signals.forEach((name) => process.off(name, onSignal));
  }
}

async function output(raw: object, report: Report, options: OutputOptions): Promise<void> {
  const { html } = options;
  const { formatReport, htmlPage } = await import('../../bench/index.js');
  if (html !== undefined) {
    writeFileSync(html, htmlPage(report, new Date()));
  }
  printResult(raw, options, () => formatReport(report));
}

/** Found out before minutes of measuring, not after. */
function requireWritable(html: string | undefined): void {
  if (html === undefined) {
    return;
  }
  try {
    accessSync(dirname(html), constants.W_OK);
  } catch (error) {
    throw new BeelineError('USAGE', `cannot write ${html}`, {
      hint: 'Name a file in a folder that exists.',
      cause: error,
    });
  }
}

/** "1000000" or "1e6". */
function whole(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It is not a whole number above 0.');
  }
  return value;
}

function cpuNumber(text: string): number {
  return text === '0' ? 0 : whole(text);
}

function mac(text: string): string {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text)) {
    throw new InvalidArgumentError('A MAC is six bytes: 00:50:00:00:04:00.');
  }
  return text;
}

function ipv4(text: string): string {
  if (parseIp(text) === undefined || text.includes(':')) {
    throw new InvalidArgumentError('It is no IPv4 address.');
  }
  return text;
}
