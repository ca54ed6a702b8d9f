/** `beeline explain --pcap`: explains each packet of a capture. */

import { readFileSync } from 'node:fs';

import type { Command } from 'commander';

import { type ExplainReport, MAX_EXPLAINED_BYTES, MAX_EXPLAINED_FRAMES } from '../../../control/index.js';
import { BeelineError, isMac, type MacAddress, macBytes, mac } from '../../../model/index.js';
import { ask } from '../../daemon.js';
import { print, printJsonList, printNote, stdoutPaint } from '../../terminal/print.js';
import { formatQuantity } from '../../terminal/format.js';
import { type CapturedReport, differences, formatExplanation, formatPackets } from './text.js';

/** How to explain a capture. */
export interface CaptureOptions {
  readonly interface?: string;
  readonly limit: number;
  readonly verbose?: true;
  readonly json?: true;
}

/** The sender's MAC in made-up frames: locally administered, so that no device has it. */
export const CLIENT_MAC = mac('02:00:00:00:00:01');

export async function explainCapture(self: Command, path: string, options: CaptureOptions): Promise<void> {
  const left: LeftOut = { skipped: 0, more: false };
  const disagreeing: ExplainReport[] = [];
  const pages = explainedPages(self, path, options, left, disagreeing);
  if (options.json === true) {
    await printJsonList(reportsOf(pages));
  } else {
    await printPages(pages, options);
  }
  printLeftOut(left, options);
  requireAgreement(disagreeing);
}

/** The frames of a capture that were not explained. */
interface LeftOut {
  /** Frames that are not IP. */
  skipped: number;
  /** Whether there are packets beyond the limit. */
  more: boolean;
}

async function* explainedPages(
  self: Command,
  path: string,
  options: CaptureOptions,
  left: LeftOut,
  disagreeing: ExplainReport[],
): AsyncGenerator<CapturedReport[]> {
  const { name, mac } = await arrival(self, options.interface);
  for (const page of await framesOf(path, mac, options.limit, left)) {
    const reports = await ask(self, 'explain', { interface: name, frames: page.map(({ frame }) => frame) });
    disagreeing.push(...reports.filter(({ oracle }) => !oracle.agrees));
    yield reports.map((report, i) => ({ number: page[i]!.number, report }));
  }
}

/** Reads the IP packets of a capture into pages, each packet cut to the length that the daemon takes. */
async function framesOf(
  path: string,
  mac: MacAddress,
  limit: number,
  left: LeftOut,
): Promise<{ number: number; frame: Uint8Array }[][]> {
  const { mayHoldIp, readCapture } = await import('../../../packet/index.js');
  const pages: { number: number; frame: Uint8Array }[][] = [];
  let taken = 0;
  try {
    for (const { number, frame } of readCapture(
      readFileSync(path),
      Uint8Array.of(...macBytes(mac), ...macBytes(CLIENT_MAC)),
    )) {
      if (frame === undefined || !mayHoldIp(frame)) {
        left.skipped += 1;
        continue;
      }
      if (taken === limit) {
        left.more = true;
        break;
      }
      if (taken % MAX_EXPLAINED_FRAMES === 0) {
        pages.push([]);
      }
      taken += 1;
      pages.at(-1)!.push({ number, frame: frame.subarray(0, MAX_EXPLAINED_BYTES) });
    }
  } catch (error) {
    throw new BeelineError('USAGE', `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      hint: 'It must be a pcap or pcapng file, as tcpdump and Wireshark write them.',
      cause: error,
    });
  }
  return pages;
}

async function* reportsOf(pages: AsyncIterable<readonly CapturedReport[]>): AsyncGenerator<readonly unknown[]> {
  for await (const page of pages) {
    yield page.map(({ number, report }) => ({ number, ...report }));
  }
}

async function printPages(pages: AsyncIterable<readonly CapturedReport[]>, { verbose }: CaptureOptions): Promise<void> {
  const paint = stdoutPaint();
  let first = true;
  for await (const page of pages) {
    if (verbose === true) {
      const texts = page.map(({ number, report }) => `#${number}\n${formatExplanation(report, paint)}`);
      print(`${first ? '' : '\n'}${texts.join('\n')}`);
    } else {
      print(formatPackets(page, first, paint));
    }
    first = false;
  }
  if (first) {
    print('no IP packets\n');
  }
}

function printLeftOut({ skipped, more }: LeftOut, { limit }: CaptureOptions): void {
  if (skipped > 0) {
    printNote(`${formatQuantity(skipped, 'frame')} left out: not IP\n`);
  }
  if (more) {
    printNote(`only the first ${formatQuantity(limit, 'packet')} are shown; --limit shows more\n`);
  }
}

/** Returns the interface where a packet arrives. @throws BeelineError `INTERFACE_MISSING` */
export async function arrival(self: Command, name: string | undefined): Promise<{ name: string; mac: MacAddress }> {
  const all = (await ask(self, 'status', {})).interfaces;
  const found = name === undefined ? all.find(({ mac }) => mac !== undefined) : all.find((each) => each.name === name);
  if (found?.mac === undefined || !isMac(found.mac)) {
    throw new BeelineError(
      'INTERFACE_MISSING',
      name === undefined
        ? 'the director has no interface at the moment'
        : `${name} is not an interface of the director`,
      { hint: `It has ${all.map((each) => each.name).join(', ')}.` },
    );
  }
  return { name: found.name, mac: found.mac };
}

/** @throws BeelineError `EXPLAIN_DISAGREES` */
export function requireAgreement(disagreeing: readonly ExplainReport[]): void {
  const [first] = disagreeing;
  if (first === undefined) {
    return;
  }
  const more = disagreeing.length > 1 ? `, and of ${formatQuantity(disagreeing.length - 1, 'packet')} more` : '';
  throw new BeelineError('EXPLAIN_DISAGREES', `program and oracle disagree: ${differences(first)}${more}`, {
    hint: 'This is a defect of Beeline: please report it, with the output of --json and the configuration.',
  });
}
