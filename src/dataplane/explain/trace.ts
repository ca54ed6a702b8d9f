/** Traces: the steps of one packet through the program, as the explaining program notes them (struct trace). */

import * as layout from '../../layout/index.js';
import { type FlowState, flowStateOf, type VerdictName, VERDICTS } from '../../layout/index.js';
import { type IpAddress, ipFromBytes, type Protocol, PROTOCOL_NUMBERS, PROTOCOLS } from '../../model/index.js';
import { parseFrame } from '../../packet/index.js';
import { decodeFlowData, type FlowData } from '../flows/entry.js';

export type TraceStep = keyof typeof layout.traceStep;
export type TraceEvent = keyof typeof layout.flowEvent;

/** An entry of a flow or template as the program found it, or would leave it. */
export type TracedEntry = Omit<FlowData, 'port'>;

/** The steps of one packet: struct trace in bpf/explain.h. */
export interface Trace {
  readonly steps: ReadonlySet<TraceStep>;
  readonly verdict: VerdictName;
  /** The number of the service that it was matched to, and its flow; undefined: to none. */
  readonly match?: {
    readonly service: number;
    readonly protocol: Protocol;
    readonly client: IpAddress;
    readonly clientPort: number;
    readonly port: number;
  };
  /** The packet's event for its flow, if the program followed the flow by all rules. */
  readonly event?: TraceEvent;
  readonly slot: number;
  /** The slot's previous owner: SLOT_UNMOVED, SLOT_MARKED, or an index; undefined: the program did not look. */
  readonly previous?: number;
  readonly lookedOn: number;
  /** The state that its flow was to be stored with; undefined: it was not to be stored. */
  readonly wanted?: FlowState;
  /** The numbers of its destination, and of the one that it would be counted for; 0: none. */
  readonly number: number;
  readonly counted: number;
  readonly ipBytes: number;
  readonly opens: boolean;
  readonly found?: TracedEntry;
  readonly changed?: TracedEntry;
  readonly stored?: TracedEntry;
  readonly displaced?: TracedEntry;
  readonly templateFound?: TracedEntry;
  readonly templateChanged?: TracedEntry;
  readonly templateStored?: TracedEntry;
}

/** Decodes struct trace. The frame tells the family. */
export function decodeTrace(bytes: Uint8Array, frame: Uint8Array, now: number): Trace {
  const view = new DataView(bytes.buffer);
  const { trace: at } = layout;
  const u32 = ({ offset }: { offset: number }): number => view.getUint32(offset, true);
  const bits = u32(at.steps);
  const steps = Object.entries(layout.traceStep).filter(([, bit]) => (bits & bit) !== 0);
  const names = new Set(steps.map(([name]) => name as TraceStep));
  const entry = ({ offset }: { offset: number }): TracedEntry | undefined => decodeEntry(view, offset, now);
  const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === bytes[at.protocol.offset]);
  const service = u32(at.service);
  return defined({
    steps: names,
    verdict: VERDICTS[u32(at.verdict)]!,
    match:
      service === 0 || protocol === undefined
        ? undefined
        : {
            service,
            protocol,
            client: clientOf(bytes, frame),
            clientPort: view.getUint16(at.clientPort.offset),
            port: view.getUint16(at.port.offset),
          },
    event: names.has('followed') ? nameOf(layout.flowEvent, u32(at.event)) : undefined,
    slot: u32(at.slot),
    previous: u32(at.previous) === 0 ? undefined : u32(at.previous) - 1,
    lookedOn: u32(at.lookedOn),
    wanted: u32(at.state) === 0 ? undefined : flowStateOf(u32(at.state)),
    number: u32(at.number),
    counted: u32(at.counted),
    ipBytes: u32(at.ipBytes),
    opens: u32(at.opens) !== 0,
    found: entry(at.found),
    changed: entry(at.changed),
    stored: entry(at.stored),
    displaced: entry(at.displaced),
    templateFound: entry(at.templateFound),
    templateChanged: entry(at.templateChanged),
    templateStored: entry(at.templateStored),
  });
}

function decodeEntry(view: DataView, offset: number, now: number): TracedEntry | undefined {
  const data = view.getBigUint64(offset, true);
  if (data === 0n) {
    return undefined;
  }
  const { port: _port, ...entry } = decodeFlowData(data, now);
  return entry;
}

/** The client's address is at the beginning of the key's words. */
function clientOf(bytes: Uint8Array, frame: Uint8Array): IpAddress {
  const at = layout.trace.words.offset;
  const isIpv6 = parseFrame(frame).ip?.family === 6;
  return ipFromBytes(bytes.subarray(at, at + (isIpv6 ? 16 : 4)));
}

function nameOf<Name extends string>(names: Readonly<Record<Name, number>>, wanted: number): Name | undefined {
  return (Object.keys(names) as Name[]).find((name) => names[name] === wanted);
}

/** Removes the members that are undefined. */
function defined<Shape extends object>(shape: {
  [Name in keyof Shape]: Shape[Name] | undefined;
}): Shape {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as Shape;
}
