/** An explained packet in plain words, a line for each thing that happens to it. Pure. */

import type {
  ExplainedDestination,
  ExplainedEntry,
  ExplainedFlow,
  ExplainedPacket,
  ExplainedService,
  ExplainedSlot,
  ExplainReport,
} from '../../../control/index.js';
import { type Paint, plain, type Style } from '../../terminal/colour.js';
import { type Column, formatDuration, formatEndpoint, formatQuantity, formatTable } from '../../terminal/format.js';

/** As wide as the longest of them. */
const LABEL_WIDTH = 'destination'.length + 2;

/** Verdicts that are what a packet of a service should come to; those of packets that are nobody's; the rest is trouble. */
const GOOD_VERDICTS: readonly string[] = ['forwarded', 'redirected', 'local'];
const INDIFFERENT_VERDICTS: readonly string[] = ['not-ours', 'icmp', 'other-protocol'];

export function formatExplanation(report: ExplainReport, paint: Paint = plain): string {
  const { packet, service, flow, slot, persistence, destination, oracle } = report;
  const lines: (readonly [label: string, text: string | undefined, style?: Style | undefined])[] = [
    ['packet', `${formatPacket(packet)}, to ${packet.destinationMac}${tags(packet.vlans)} (${packet.interface})`],
    ['service', serviceLine(service, report)],
    ['about', flow && quotedLine(packet, flow)],
    ['flow', flow && service && flowLine(flow, service, destination !== undefined)],
    ['persistence', persistence && (persistence.known ? clientLine(persistence.known) : newClientLine())],
    ['slot', slot && slotLine(slot)],
    ['destination', destination && destinationLine(destination, slot)],
    ['frame', frameLine(report)],
    ['verdict', verdictLine(report), verdictStyle(report.verdict)],
    ['oracle', oracle.agrees ? 'agrees' : `DISAGREES: ${differences(report)}`, oracle.agrees ? undefined : 'bad'],
  ];
  return lines
    .flatMap(([label, text, style]) =>
      text === undefined ? [] : `${paint('faint', label.padEnd(LABEL_WIDTH))}${paint(style, text)}\n`,
    )
    .join('');
}

/** "tcp SYN 192.168.1.12:40000 > 192.168.1.100:80" */
export function formatPacket(packet: ExplainedPacket): string {
  const { source, destination, protocol, sourcePort, destinationPort, flags = [], fragment, bytes } = packet;
  if (source === undefined || destination === undefined) {
    return `no IP packet, ${bytes} bytes`;
  }
  const end = (address: string, port: number | undefined): string =>
    port === undefined ? address : formatEndpoint(address, port);
  const kind = [
    protocol === undefined || /^\d/.test(protocol) ? `protocol ${protocol ?? '?'}` : protocol,
    flags.join('+'),
    fragment && `${fragment} fragment`,
  ];
  const words = kind.filter((word) => word !== undefined && word !== '').join(' ');
  return `${words} ${end(source, sourcePort)} > ${end(destination, destinationPort)}`;
}

function tags(vlans: readonly number[]): string {
  return vlans.length === 0 ? '' : `, VLAN ${vlans.join(' in ')}`;
}

function serviceLine(service: ExplainedService | undefined, { verdict }: ExplainReport): string | undefined {
  if (service === undefined) {
    return verdict === 'not-ours' ? undefined : 'none';
  }
  const { name, scheduler, servers, wildcard } = service;
  return `${name}${wildcard ? ' (all other ports)' : ''}, ${scheduler}, ${formatQuantity(servers, 'real server')}`;
}

/** Of packets that are about another one's flow: ICMP errors, later fragments. */
function quotedLine({ protocol, fragment }: ExplainedPacket, flow: ExplainedFlow): string | undefined {
  return protocol === 'icmp' || fragment === 'later'
    ? `the flow ${flow.protocol} ${formatEndpoint(flow.client, flow.clientPort)}, virtual port ${flow.port}`
    : undefined;
}

function flowLine(
  flow: ExplainedFlow,
  { scheduler, remembers }: ExplainedService,
  goesOn: boolean,
): string | undefined {
  const { sought, known, next, stored, displaces, noRoom, event } = flow;
  if (!sought) {
    // Who is refused before anything is asked of its flow has no use for the line.
    return !goesOn
      ? undefined
      : remembers === 'none'
        ? 'not looked for: each packet is scheduled by itself'
        : remembers === 'moved'
          ? 'not looked for: no change touched its slot'
          : undefined;
  }
  if (known !== undefined) {
    return `known: ${entry(known)}${next === undefined ? '' : `; becomes ${next}`}`;
  }
  if (noRoom) {
    return 'not known, and there is no room to remember it';
  }
  if (stored !== undefined) {
    const other = displaces && `, in the place of another (${entry(displaces)})`;
    return `not known; would be remembered as ${stored}${other ?? ''}`;
  }
  return event === 'syn' ? `not known; a SYN is not remembered under ${scheduler}` : 'not known, and not remembered';
}

/** "ESTABLISHED, last packet 3 s ago, at 192.168.1.31" */
function entry({ state, idleSeconds, server }: ExplainedEntry): string {
  const age = idleSeconds === 0 ? 'just now' : `${formatDuration(idleSeconds * 1000)} ago`;
  return `${state}, last packet ${age}${server === undefined ? '' : `, at ${server}`}`;
}

function clientLine(known: ExplainedEntry): string {
  return `known: the client is kept at ${known.server ?? 'a real server that is gone'}`;
}

function newClientLine(): string {
  return 'not known; the client would be kept where this flow goes';
}

function slotLine({ index, of, server = 'nobody', full, lookedOn, moved, previous }: ExplainedSlot): string {
  const parts = [
    `${index} of ${of} -> ${server}`,
    full && 'which has as many flows as it may have',
    lookedOn > 0 && `${formatQuantity(lookedOn, 'slot')} further somebody takes it`,
    previous !== undefined && `moved from ${previous}`,
    moved && previous === undefined && 'moved by an earlier change',
  ];
  return parts.filter((part) => part !== false).join(', ');
}

const CHOSEN_BY: Readonly<Record<ExplainedDestination['by'], string>> = {
  slot: 'by its slot',
  scheduler: "the scheduler's choice at this moment",
  flow: 'by the flow',
  persistence: "with the client's other flows",
  previous: 'where it was before its slot moved',
};

function destinationLine(
  { address, weight, local, mac, by }: ExplainedDestination,
  slot: ExplainedSlot | undefined,
): string {
  const where = local ? 'this host' : `at ${mac ?? 'no known MAC'}`;
  // What the line above says need not be said again.
  const why = by === 'slot' && slot?.server === address ? '' : `, ${CHOSEN_BY[by]}`;
  return `${address}, weight ${weight}, ${where}${why}`;
}

function frameLine({ sent }: ExplainReport): string | undefined {
  return sent && `${sent.sourceMac} > ${sent.destinationMac}${tags(sent.vlans)}`;
}

function verdictLine({ verdict, reason, sent, packet }: ExplainReport): string {
  const way =
    sent === undefined ? reason : `sent ${sent.interface === packet.interface ? 'back ' : ''}out of ${sent.interface}`;
  return `${verdict} (${way})`;
}

function verdictStyle(verdict: string): Style | undefined {
  return GOOD_VERDICTS.includes(verdict) ? 'good' : INDIFFERENT_VERDICTS.includes(verdict) ? undefined : 'warning';
}

/** "verdict forwarded, oracle local; …" */
export function differences({ oracle }: ExplainReport): string {
  return oracle.differences.map(({ what, program, oracle: other }) => `${what} ${program}, oracle ${other}`).join('; ');
}

/** One packet of a capture. */
export interface CapturedReport {
  readonly number: number;
  readonly report: ExplainReport;
}

const COLUMNS: readonly Column[] = [
  { title: '#', align: 'right', width: 5 },
  { title: 'PACKET', width: 50 },
  { title: 'VERDICT', width: 14, style: verdictStyle },
  { title: 'REAL SERVER', width: 15 },
];

/** A line a packet. */
export function formatPackets(packets: readonly CapturedReport[], titled: boolean, paint: Paint = plain): string {
  const rows = packets.map(({ number, report }) => [
    String(number),
    formatPacket(report.packet),
    report.verdict,
    `${report.destination?.address ?? ''}${report.oracle.agrees ? '' : '  oracle DISAGREES'}`,
  ]);
  const text = formatTable(COLUMNS, rows, '', paint);
  return titled ? text : text.slice(text.indexOf('\n') + 1);
}
