/** The data path explained: a packet run through its second program, which leaves nothing behind and notes the way. */

import * as layout from '../layout/index.js';
import { type FlowState, flowStateOf, type VerdictName, VERDICTS } from '../layout/index.js';
import type { BpfMap, BpfProgram, Mapping } from '../libbpf/index.js';
import { type IpAddress, ipFromBytes, type Protocol, PROTOCOL_NUMBERS, PROTOCOLS } from '../model/index.js';
import { parseFrame } from '../packet/index.js';
import { secondsOf } from './clock.js';
import { flowNow } from './flows.js';
import type { MapSet } from './map-set.js';

/** explain.bpf.c's, and the director's scratch memory: packets that are explained shall not meet others there. */
const OWN_MAPS = ['.data.trace', 'flow_queries'] as const;

export type TraceStep = keyof typeof layout.traceStep;
export type TraceEvent = keyof typeof layout.flowEvent;

/** An entry of a flow or template as the program met it, or would leave it. */
export interface TracedEntry {
  readonly state: FlowState;
  /** Its destination's number. */
  readonly number: number;
  readonly idleSeconds: number;
}

/** The way of one packet: struct trace in bpf/explain.h. */
export interface Trace {
  readonly steps: ReadonlySet<TraceStep>;
  readonly verdict: VerdictName;
  /** The number of the service it was matched to, and the flow that it is of; undefined: to none. */
  readonly match?: {
    readonly service: number;
    readonly protocol: Protocol;
    readonly client: IpAddress;
    readonly clientPort: number;
    readonly port: number;
  };
  /** What it says of its flow, where it was followed by all rules. */
  readonly event?: TraceEvent;
  readonly slot: number;
  /** What a change left of the slot: SLOT_UNMOVED, SLOT_MARKED, or an index; undefined: that was not asked. */
  readonly previous?: number;
  readonly lookedOn: number;
  /** The state its flow was to be stored with; undefined: it was not. */
  readonly wanted?: FlowState;
  /** Numbers of its destination, and of whom it would be counted with; 0: none. */
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

export interface Explained {
  readonly trace: Trace;
  /** An XdpAction. */
  readonly action: number;
  /** As it would leave, or go up. */
  readonly frame: Uint8Array;
}

/** The second program over a director's maps. */
export class Explainer implements Disposable {
  readonly #set: MapSet;
  readonly #program: BpfProgram;
  readonly #maps: readonly BpfMap[];
  readonly #programs: readonly BpfProgram[];
  readonly #memory: Mapping;

  private constructor(set: MapSet, { programs, maps }: Awaited<ReturnType<MapSet['loadBeside']>>) {
    this.#set = set;
    this.#programs = [...programs.values()];
    this.#maps = [...maps.values()];
    this.#program = programs.get('explain')!;
    this.#memory = maps.get('.data.trace')!.mmap('write');
  }

  /**
   * Loads it, which takes as long as loading the director, in another thread. Use it for as long as the set is in use, and
   * then close it.
   *
   * @param objectPath explain.bpf.o
   * @throws BeelineError `PROGRAM_REFUSED`, `NOT_BUILT`
   */
  static async load(objectPath: string, set: MapSet): Promise<Explainer> {
    return new Explainer(set, await set.loadBeside(objectPath, ['explain'], OWN_MAPS));
  }

  /**
   * What would become of a frame at this moment.
   *
   * @param ifindex of the interface that it came by; default: the loopback interface
   * @throws KernelError `ENODEV` when there is no such interface
   */
  explain(frame: Uint8Array, ifindex?: number): Explained {
    this.#memory.zero(0, layout.trace.byteLength);
    const { returnValue, data } = this.#program.run({
      data: frame,
      ...(ifindex !== undefined && { origin: { ifindex } }),
    });
    const bytes = this.#memory.read(0, new Uint8Array(layout.trace.byteLength));
    // The frame is a view of the addon's memory, which the next run may write to.
    return { trace: decodeTrace(bytes, frame, flowNow(this.#set)), action: returnValue, frame: new Uint8Array(data) };
  }

  close(): void {
    this.#memory.close();
    this.#maps.forEach((map) => {
      map.close();
    });
    this.#programs.forEach((program) => {
      program.close();
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** struct trace. `frame` tells the family. */
function decodeTrace(bytes: Uint8Array, frame: Uint8Array, now: number): Trace {
  const view = new DataView(bytes.buffer);
  const { trace: at } = layout;
  const u32 = ({ offset }: { offset: number }): number => view.getUint32(offset, true);
  const bits = u32(at.steps);
  const steps = Object.entries(layout.traceStep).filter(([, bit]) => (bits & bit) !== 0);
  const names = new Set(steps.map(([name]) => name as TraceStep));
  const entry = (field: { offset: number }): TracedEntry | undefined => decodeEntry(view, field.offset, now);
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

/** flow_data() in bpf/flow_entry.h. */
function decodeEntry(view: DataView, offset: number, now: number): TracedEntry | undefined {
  const data = view.getBigUint64(offset, true);
  if (data === 0n) {
    return undefined;
  }
  const { state, number, age } = layout.flowDataOf(data, now);
  return { state: flowStateOf(state), number, idleSeconds: secondsOf(age) };
}

/** The key's words begin with the client's address. */
function clientOf(bytes: Uint8Array, frame: Uint8Array): IpAddress {
  const at = layout.trace.words.offset;
  const isIpv6 = parseFrame(frame).ip?.family === 6;
  return ipFromBytes(bytes.subarray(at, at + (isIpv6 ? 16 : 4)));
}

function nameOf<Name extends string>(names: Readonly<Record<Name, number>>, wanted: number): Name | undefined {
  return (Object.keys(names) as Name[]).find((name) => names[name] === wanted);
}

/** Without the members that are undefined. */
function defined<Shape extends object>(shape: {
  [Name in keyof Shape]: Shape[Name] | undefined;
}): Shape {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as Shape;
}
