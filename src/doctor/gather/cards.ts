/** Reads the network cards under the director's interfaces, by ethtool and ip: those look into this network namespace. */

import { availableParallelism } from 'node:os';

import type { Model } from '../../model/index.js';
import type { Network } from '../../net/index.js';
import type { CardFacts, CardInterrupt, Extent } from '../facts-host.js';
import { namesIn, printed, requirePrinted, textOf } from './programs.js';

interface IpLink {
  readonly xdp?: IpProgram & { readonly attached?: readonly IpProgram[] };
  readonly stats64?: { readonly rx?: Readonly<Record<string, number>> };
}

interface IpProgram {
  readonly mode?: number;
  readonly prog?: { readonly id?: number; readonly name?: string };
}

/** XDP_ATTACHED_… (linux/if_link.h). */
const MODES: Readonly<Record<number, string>> = { 1: 'native', 2: 'generic', 3: 'offload' };

/** @throws ProgramMissing */
export async function gatherCards(network: Network, { interfaces }: Model): Promise<CardFacts[]> {
  const links = interfaces.flatMap((name) => {
    const top = network.link(name);
    const leaves = top === undefined ? [] : network.leavesUnder(top.ifindex);
    return top === undefined ? [] : leaves.length === 0 ? [top] : leaves;
  });
  return Promise.all(links.map(({ name, kind }) => readCard(name, kind)));
}

async function readCard(name: string, kind: string): Promise<CardFacts> {
  const [driver = '', channels = '', rings = '', table = '', statistics = '', link] = await Promise.all([
    ...['-i', '-l', '-g', '-x', '-S'].map((option) => printed('ethtool', option, name)),
    requirePrinted('ip', '-json', '-details', '-statistics', '-statistics', 'link', 'show', 'dev', name),
  ]);
  const [{ xdp, stats64 } = {}] = JSON.parse(link!) as IpLink[];
  const { packets = 0, missed_errors: missed = 0, fifo_errors: full = 0 } = stats64?.rx ?? {};
  const bus = /^bus-info: *(\S+)/m.exec(driver)?.[1];
  return {
    ...{ name, kind, driver: /^driver: *(\S+)/m.exec(driver)?.[1] ?? '' },
    cpus: availableParallelism(),
    programs: programsOf(xdp),
    queues: parseQueues(channels),
    ring: parseExtent(rings, 'RX'),
    spread: parseSpread(table),
    interrupts: bus === undefined ? [] : readInterrupts(bus),
    received: packets,
    missed: missed + full,
    xdp: parseXdpCounters(statistics),
  };
}

function programsOf(xdp: IpLink['xdp']): CardFacts['programs'] {
  const attached = xdp?.attached ?? (xdp === undefined ? [] : [xdp]);
  return attached.flatMap(({ mode = 0, prog }) =>
    prog?.id === undefined ? [] : [{ id: prog.id, name: prog.name ?? '', mode: MODES[mode] ?? 'unknown' }],
  );
}

/** Returns a value of ethtool's "Pre-set maximums" and "Current hardware settings". */
export function parseExtent(text: string, what: string): Extent | undefined {
  const [most, now] = [...text.matchAll(new RegExp(`^${what}:\\s*(\\S+)$`, 'gm'))].map((each) => Number(each[1]));
  return most === undefined || now === undefined || Number.isNaN(most + now) ? undefined : { now, most };
}

/** Queues that receive: combined ones and others are counted apart (ethtool -l). */
export function parseQueues(text: string): Extent | undefined {
  const parts = ['RX', 'Combined'].flatMap((what) => parseExtent(text, what) ?? []);
  return parts.length === 0
    ? undefined
    : {
        now: parts.reduce((sum, each) => sum + each.now, 0),
        // A card has the one kind or the other: what both could have at most is not known to add up.
        most: Math.max(...parts.map(({ most }) => most)),
      };
}

/** Parses the table of ethtool -x: lines of "   16:      0     1     2     3". */
export function parseSpread(text: string): number[] {
  return [...text.matchAll(/^\s*\d+:((?:\s+\d+)+)\s*$/gm)].flatMap((line) => line[1]!.trim().split(/\s+/).map(Number));
}

/** Returns the counters of ethtool -S whose names have to do with XDP and are not zero. */
export function parseXdpCounters(text: string): Record<string, number> {
  const found = [...text.matchAll(/^\s*(\S*xdp\S*):\s*(\d+)$/gm)].map((each) => [each[1]!, Number(each[2])] as const);
  return Object.fromEntries(found.filter(([, count]) => count > 0));
}

/** @param bus "0000:00:03.0", of a card on a PCI bus */
function readInterrupts(bus: string): CardInterrupt[] {
  const numbers = new Set(namesIn(`/sys/bus/pci/devices/${bus}/msi_irqs`).map(Number));
  return parseInterrupts(textOf('/proc/interrupts') ?? '')
    .filter(({ number }) => numbers.has(number))
    .map((each) => ({
      ...each,
      cpus: parseCpus(
        textOf(`/proc/irq/${each.number}/effective_affinity_list`) ??
          textOf(`/proc/irq/${each.number}/smp_affinity_list`) ??
          '',
      ),
    }));
}

/** Parses /proc/interrupts: for each interrupt with a number how often it came, over all CPUs, and what ends its line. */
export function parseInterrupts(text: string): Omit<CardInterrupt, 'cpus'>[] {
  const [head = '', ...rows] = text.split('\n');
  const cpus = head.trim().split(/\s+/).length;
  return rows.flatMap((row) => {
    const [number = '', ...words] = row.trim().split(/\s+/);
    return /^\d+:$/.test(number)
      ? [
          {
            number: parseInt(number, 10),
            name: words.at(-1) ?? '',
            count: words.slice(0, cpus).reduce((sum, each) => sum + Number(each), 0),
          },
        ]
      : [];
  });
}

/** "0-2,8" → 0, 1, 2, 8. */
export function parseCpus(list: string): number[] {
  return list
    .split(',')
    .filter(Boolean)
    .flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}
