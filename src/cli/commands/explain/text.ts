/** An explained packet as text, a line for each step. Pure. */

import type {
  ExplainedRealServer,
  ExplainedEntry,
  ExplainedFlow,
  ExplainedPacket,
  ExplainedService,
  ExplainedSlot,
  ExplainReport,
} from '../../../control/index.js';
import { type Paint, plain, type Style } from '../../terminal/colour.js';
import { type Column, formatDuration, formatEndpoint, formatQuantity, formatTable } from '../../terminal/format.js';

/** The longest label and two spaces. */
const LABEL_WIDTH = 'real server'.length + 2;

/** Verdicts of packets that reach a real server. */
const GOOD_VERDICTS: readonly string[] = ['forwarded', 'redirected', 'local'];
/** Verdicts of packets that are for no service. All other verdicts mean trouble. */
const NEUTRAL_VERDICTS: readonly string[] = ['not-ours', 'icmp', 'other-protocol'];

/** @param hint what to ask instead; undefined: nothing */
export function formatExplanation(report: ExplainReport, paint: Paint = plain, hint?: string): string {
  const { packet, service, flow, slot, persistence, realServer: destination, oracle } = report;
  const lines: (readonly [label: string, text: string | undefined, style?: Style | undefined])[] = [
    ['packet', `${formatPacket(packet)}, to ${packet.destinationMac}${tags(packet.vlans)} (${packet.interface})`],
    ['service', serviceLine(service, report)],
    ...conditionLines(service),
    ['about', flow && quotedLine(packet, flow)],
    ['flow', flow && service && flowLine(flow, service, destination !== undefined)],
    ['persistence', persistence && (persistence.known ? clientLine(persistence.known) : newClientLine())],
    ['slot', slot && slotLine(slot)],
    ['real server', destination && destinationLine(destination, slot)],
    ['frame', frameLine(report)],
    ['verdict', verdictLine(report), verdictStyle(report.verdict)],
    ['hint', hint],
    ['oracle', oracle.agrees ? undefined : `DISAGREES: ${differences(report)}`, 'bad'],
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
  const { name, scheduler, realServers: servers, wildcard } = service;
  return `${name}${wildcard ? ' (all other ports)' : ''}, ${scheduler}, ${formatQuantity(servers, 'real server')}`;
}

/** The most real servers that are named: of many, the first tell enough. */
const MOST_CONDITIONS = 5;

/** "192.168.1.31 fails its checks": why a real server takes nothing, or not its part. */
function conditionLines(service: ExplainedService | undefined): (readonly [string, string, Style])[] {
  const { conditions = [] } = service ?? {};
  const lines = conditions
    .slice(0, MOST_CONDITIONS)
    .map(({ realServer, reason }) => ['condition', `${realServer}: ${reason}`, 'warning'] as const);
  const more = conditions.length - lines.length;
  return more === 0
    ? lines
    : [...lines, ['condition', `and ${formatQuantity(more, 'other real server')}: see "beeline list"`, 'warning']];
}

/** The flow of a packet that belongs to another packet's flow: an ICMP error, or a later fragment. */
function quotedLine({ protocol, fragment }: ExplainedPacket, flow: ExplainedFlow): string | undefined {
  return protocol === 'icmp' || fragment === 'later'
    ? `the flow ${flow.protocol} ${formatEndpoint(flow.client, flow.clientPort)}, virtual port ${flow.port}`
    : undefined;
}

const TURNED_AWAY_BY: Readonly<Record<NonNullable<ExplainedFlow['turnedAwayBy']>, string>> = {
  weight: 'which takes no new flows (weight 0)',
  threshold: 'which has reached its upper threshold',
};

function flowLine(
  flow: ExplainedFlow,
  { scheduler, remembers }: ExplainedService,
  hasDestination: boolean,
): string | undefined {
  const { sought, known, next, turnedAwayBy, stored, displaces, noRoom, crowded, event } = flow;
  if (!sought) {
    // A packet that is refused earlier has no flow to speak of.
    return !hasDestination
      ? undefined
      : remembers === 'none'
        ? 'not looked up: each packet is scheduled by itself'
        : remembers === 'moved'
          ? 'not looked up: no change touched its slot'
          : undefined;
  }
  if (known !== undefined) {
    const why = turnedAwayBy && `, ${TURNED_AWAY_BY[turnedAwayBy]}: the SYN begins another flow`;
    return `known: ${entry(known)}${why ?? ''}${next === undefined ? '' : `; becomes ${next}`}`;
  }
  if (noRoom) {
    return `not known, and there is no room for an entry${crowded ? '; its hash chooses' : ''}`;
  }
  if (stored !== undefined) {
    const other = displaces && `, and would replace another (${entry(displaces)})`;
    return `not known; would be remembered as ${stored}${other ?? ''}${crowded ? '; its hash chooses' : ''}`;
  }
  return event === 'syn' ? `not known; a SYN is not remembered with ${scheduler}` : 'not known, and not remembered';
}

/** "ESTABLISHED, last packet 3 s ago, at 192.168.1.31" */
function entry({ state, idleSeconds, realServer: server }: ExplainedEntry): string {
  const age = idleSeconds === 0 ? 'just now' : `${formatDuration(idleSeconds * 1000)} ago`;
  return `${state}, last packet ${age}${server === undefined ? '' : `, at ${server}`}`;
}

function clientLine(known: ExplainedEntry): string {
  return `known: the client stays at ${known.realServer ?? 'a real server that no longer exists'}`;
}

function newClientLine(): string {
  return 'not known; the client would stay at the real server of this flow';
}

function slotLine({ index, of, realServer: server, full, lookedOn, moved, previous }: ExplainedSlot): string {
  const parts = [
    `${index} of ${of} -> ${server ?? 'no real server'}`,
    full && 'which has reached its upper threshold',
    lookedOn > 0 && `the real server ${formatQuantity(lookedOn, 'slot')} further takes it`,
    previous !== undefined && `moved from ${previous}`,
    moved && previous === undefined && 'moved by an earlier change',
  ];
  return parts.filter((part) => part !== false).join(', ');
}

const CHOSEN_BY: Readonly<Record<ExplainedRealServer['by'], string>> = {
  slot: 'chosen by its slot',
  scheduler: 'chosen by the scheduler now',
  flow: "as in the flow's entry",
  persistence: "like the client's other flows",
  previous: 'as before its slot moved',
  fragment: 'where the first fragment went',
};

function destinationLine(
  { address, weight, local, mac, waits, by }: ExplainedRealServer,
  slot: ExplainedSlot | undefined,
): string {
  const where = local ? 'this host' : `at ${mac ?? `no known MAC${waits === undefined ? '' : ` (${waits})`}`}`;
  // The line above says so already.
  const why = by === 'slot' && slot?.realServer === address ? '' : `, ${CHOSEN_BY[by]}`;
  return `${address}, weight ${weight}, ${where}${why}`;
}

function frameLine({ sent }: ExplainReport): string | undefined {
  return sent && `${sent.sourceMac} > ${sent.destinationMac}${tags(sent.vlans)}`;
}

/** The names of ICMP errors by verdict. */
const ANSWER_NAMES: Readonly<Partial<Record<string, string>>> = {
  'no-destination': 'port unreachable',
  'no-egress': 'host unreachable',
  'too-long': 'too big',
  ttl: 'time exceeded',
};

function verdictLine({ verdict, reason, sent, answer, packet }: ExplainReport): string {
  if (answer !== undefined) {
    const mtu = answer.mtu === undefined ? '' : `, MTU ${answer.mtu}`;
    return `${verdict} (answered with ICMP ${ANSWER_NAMES[verdict] ?? `type ${answer.type}`}${mtu} from ${answer.from})`;
  }
  const way =
    sent === undefined ? reason : `sent ${sent.interface === packet.interface ? 'back ' : ''}out of ${sent.interface}`;
  return `${verdict} (${way})`;
}

function verdictStyle(verdict: string): Style | undefined {
  return GOOD_VERDICTS.includes(verdict) ? 'good' : NEUTRAL_VERDICTS.includes(verdict) ? undefined : 'warning';
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

/** Prints a line for each packet. */
export function formatPackets(packets: readonly CapturedReport[], titled: boolean, paint: Paint = plain): string {
  const rows = packets.map(({ number, report }) => [
    String(number),
    formatPacket(report.packet),
    report.verdict,
    `${report.realServer?.address ?? ''}${report.oracle.agrees ? '' : '  oracle DISAGREES'}`,
  ]);
  const text = formatTable(COLUMNS, rows, '', paint);
  return titled ? text : text.slice(text.indexOf('\n') + 1);
}
