/** `beeline bench forward`: packets per second, beside other directors. */

import { Command, InvalidArgumentError, Option } from 'commander';

import type { IpvsChoice } from '../../../bench/index.js';
import { BeelineError, familyOf, type IpAddress, isMac, type MacAddress, parseIp } from '../../../model/index.js';
import { completes } from '../../../usage/index.js';
import { interfaces } from '../../candidates.js';
import { interruptible, output, type OutputOptions, requireWritable, wholeNumber, withOutput } from './output.js';

interface Options extends OutputOptions {
  readonly flows: number;
  readonly rounds: number;
  readonly duration: number;
  readonly ipvs: IpvsChoice;
  readonly cpu?: number;
  readonly device?: string;
  readonly directorMac?: MacAddress;
  readonly vip?: IpAddress;
  readonly yesFlood?: string;
}

export function forwardCommand(): Command {
  return withOutput(new Command('forward'))
    .summary('measure packets per second, beside other directors')
    .description(
      'Measure how many packets per second Beeline forwards on one core, in native and in generic XDP, beside a bare MAC ' +
        'rewrite, the kernel, nftables and IPVS. Runs in a network namespace that the command removes at its end.',
    )
    .option('--flows <n>', 'different flows among the packets, a power of two', wholeNumber, 1024)
    .option('--rounds <n>', 'measure each director this many times, in turn with the others', wholeNumber, 11)
    .option('--duration <ms>', 'length of one measurement', wholeNumber, 250)
    .option('--cpu <n>', 'run everything on this CPU (default: the last one)', cpuNumber)
    .addOption(
      new Option(
        '--ipvs <which>',
        "IPVS to compare with: auto is the kernel's or, without one, that of Debian's user-mode Linux; uml is always the latter",
      )
        .choices(['auto', 'uml', 'none'])
        .default('auto'),
    )
    .addOption(
      completes(
        new Option('--device <name>', 'send through this interface to an existing director, without a lab'),
        interfaces,
      ),
    )
    .option('--director-mac <mac>', 'with --device: MAC address of that director', mac)
    .option(
      '--vip <address>',
      'with --device: VIP of a UDP service on port 80 whose real servers have the MACs 02:62:65:65:00:01 and following',
      ipv4,
    )
    .option(
      '--yes-flood <name>',
      'with --device: repeat its name to confirm; millions of frames leave through it, and arriving frames are dropped',
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  const { html, flows, rounds, duration, ipvs, cpu, yesFlood } = options;
  requireWritable(html);
  const external = externalDirector(options);
  const bench = await import('../../../bench/index.js');
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
}

/** Returns the director of --device; undefined: the lab's directors. @throws BeelineError `USAGE` */
function externalDirector({
  device,
  directorMac,
  vip,
}: Options): { device: string; mac: MacAddress; vip: IpAddress } | undefined {
  if (device === undefined) {
    return undefined;
  }
  if (directorMac === undefined || vip === undefined) {
    throw new BeelineError('USAGE', '--device needs --director-mac and --vip', {
      hint: 'They name the director that the packets are for.',
    });
  }
  return { device, mac: directorMac, vip };
}

function cpuNumber(text: string): number {
  return text === '0' ? 0 : wholeNumber(text);
}

function mac(text: string): MacAddress {
  if (!isMac(text)) {
    throw new InvalidArgumentError('It must be a MAC address, for example 00:50:00:00:04:00.');
  }
  return text;
}

function ipv4(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined || familyOf(address) !== 4) {
    throw new InvalidArgumentError('It must be an IPv4 address.');
  }
  return address;
}
