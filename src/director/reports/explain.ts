/** Turns what the data path noted of a packet into an explanation in the names that people know. */

import type {
  ExplainedAnswer,
  ExplainedRealServer,
  ExplainedEntry,
  ExplainedFlow,
  ExplainedFrame,
  ExplainedPersistence,
  ExplainedService,
  ExplainedSlot,
  ExplainQuery,
  ExplainReport,
} from '../../control/index.js';
import type { DataPlane, Explanation, Trace, TracedEntry } from '../../dataplane/index.js';
import { type CompiledService, type Image, SLOT_MARKED, SLOT_UNMOVED, withoutLeaving } from '../../image/index.js';
import { VERDICT_WORDS, type VerdictName } from '../../layout/index.js';
import {
  type AnyService,
  isMarkKey,
  BeelineError,
  type Interface,
  type IpAddress,
  isHashing,
  type Protocol,
} from '../../model/index.js';
import { parseFrame, summarizeFrame } from '../../packet/index.js';
import { shownState } from './flows.js';
import { isRealServer } from './services.js';

/** The parts of the data path that an explanation needs. */
export type Explaining = Pick<DataPlane, 'image' | 'numbering' | 'explain'>;

/** A service and its destinations by their numbers. */
interface Matched {
  readonly compiled: CompiledService;
  readonly addresses: ReadonlyMap<number, IpAddress>;
}

/**
 * Explains what would happen to each of some frames if it came at this moment.
 *
 * @throws BeelineError `INTERFACE_MISSING`, and what DataPlane.explain throws
 */
export async function explainFrames(dataPlane: Explaining, query: ExplainQuery): Promise<ExplainReport[]> {
  const arrival = arrivalOf(dataPlane.image, query.interface);
  const reports: ExplainReport[] = [];
  for (const frame of query.frames) {
    const explanation = await dataPlane.explain(frame, arrival.ifindex);
    reports.push(report(dataPlane, frame, arrival, explanation));
  }
  return reports;
}

function arrivalOf(image: Image | undefined, name: string | undefined): Interface {
  const interfaces = image?.interfaces ?? [];
  const arrival = name === undefined ? interfaces[0] : interfaces.find((each) => each.name === name);
  if (arrival === undefined) {
    const known = interfaces.map((each) => each.name).join(', ');
    throw new BeelineError(
      'INTERFACE_MISSING',
      name === undefined
        ? 'the director has no interface at the moment'
        : `${name} is not an interface of the director`,
      { hint: known === '' ? 'See "beeline status".' : `It has ${known}.` },
    );
  }
  return arrival;
}

function report(
  dataPlane: Explaining,
  frame: Uint8Array,
  arrival: Interface,
  { explained, decision, differences }: Explanation,
): ExplainReport {
  const { trace } = explained;
  const summary = summarizeFrame(frame);
  const matched = matchedOf(dataPlane, trace);
  const destination = matched && destinationOf(trace, matched);
  const server = decision.destination === undefined ? undefined : decision.service?.destinations[decision.destination];
  return {
    packet: { interface: arrival.name, ...summary, plain: !trace.steps.has('unusual') },
    ...(matched && {
      service: {
        name: matched.compiled.name,
        scheduler: matched.compiled.service.scheduler,
        realServers: withoutLeaving(matched.compiled).destinations.filter(isRealServer).length,
        wildcard: isWildcard(matched.compiled.service),
        remembers: remembers(matched.compiled),
        ...conditionsOf(matched.compiled),
      },
      flow: flowOf(trace, matched),
      slot: slotOf(trace, matched),
      persistence: persistenceOf(trace, matched),
      realServer: destination,
    }),
    sent: sentAs(dataPlane.image, arrival, explained.frame, trace, destination, matched),
    answer: answerOf(explained.frame, trace),
    ...(trace.counted !== 0 && { counted: { bytes: trace.ipBytes, opensFlow: trace.opens } }),
    verdict: trace.verdict,
    reason: VERDICT_WORDS[trace.verdict],
    oracle: { agrees: differences.length === 0, verdict: decision.verdict, realServer: server?.address, differences },
  };
}

/** Returns whether a service takes the ports that no other service has. */
function isWildcard(service: AnyService): boolean {
  return !isMarkKey(service) && service.port === 0;
}

function conditionsOf({ destinations }: CompiledService): Pick<ExplainedService, 'conditions'> {
  const conditions = destinations.flatMap(({ address, condition }) =>
    condition?.reason === undefined || condition.word === 'standby'
      ? []
      : { realServer: address, reason: condition.reason },
  );
  return conditions.length === 0 ? {} : { conditions };
}

function remembers({ tracks, service }: CompiledService): ExplainedService['remembers'] {
  return service.onePacket === true ? 'none' : tracks ? 'all' : 'moved';
}

function matchedOf({ image, numbering }: Explaining, { match }: Trace): Matched | undefined {
  const isMatched = ({ name }: { readonly name: string }): boolean =>
    match !== undefined && numbering.get(name)?.number === match.service;
  // Each VIP and protocol of a mark has another number than the mark's service.
  const entry = image?.markEntries.find(isMatched);
  const compiled = image?.services.find((each) =>
    entry === undefined ? isMatched(each) : each.name === entry.service,
  );
  if (compiled === undefined) {
    return undefined;
  }
  const { destinations } = numbering.get(compiled.name)!;
  return { compiled, addresses: new Map([...destinations].map(([address, number]) => [number, address])) };
}

function entryOf(entry: TracedEntry | undefined, { compiled, addresses }: Matched): ExplainedEntry | undefined {
  return (
    entry && {
      state: shownState(entry.state, protocolOf(compiled)),
      idleSeconds: Math.round(entry.idleSeconds),
      realServer: addresses.get(entry.number),
    }
  );
}

/** Returns the protocol of a service; undefined for a mark's. */
function protocolOf({ service }: CompiledService): Protocol | undefined {
  return isMarkKey(service) ? undefined : service.protocol;
}

function flowOf(trace: Trace, matched: Matched): ExplainedFlow {
  const { steps, match, event, found, changed, stored, displaced, wanted } = trace;
  const { protocol, client, clientPort, port } = match!;
  const owner = protocolOf(matched.compiled);
  const next = changed && shownState(changed.state, owner);
  return {
    protocol,
    client,
    clientPort,
    port,
    event,
    sought: steps.has('hit') || steps.has('sought'),
    known: entryOf(found, matched),
    next: found && next === shownState(found.state, owner) ? undefined : next,
    turnedAwayBy: turnedAwayBy(trace, matched),
    stored: stored && shownState(stored.state, owner),
    // It may be another service's flow, so its real server is not among this service's numbers.
    displaces: displaced && {
      state: shownState(displaced.state, undefined),
      idleSeconds: Math.round(displaced.idleSeconds),
    },
    noRoom: wanted !== undefined && stored === undefined,
    crowded: steps.has('crowded'),
  };
}

function turnedAwayBy(
  { steps, found, number }: Trace,
  { compiled, addresses }: Matched,
): ExplainedFlow['turnedAwayBy'] {
  if (found === undefined || !steps.has('turned-away') || found.number === number) {
    return undefined;
  }
  const known = addresses.get(found.number);
  return compiled.destinations.find(({ address }) => address === known)?.weight === 0 ? 'weight' : 'threshold';
}

/** Whether the scheduler's table was looked up, so that the slot is known. */
function askedSlot({ steps, previous }: Trace): boolean {
  return steps.has('ring') || steps.has('scheduled') || previous !== undefined;
}

function slotOf(trace: Trace, { compiled }: Matched): ExplainedSlot | undefined {
  const { ring, destinations } = compiled;
  if (ring === undefined || !askedSlot(trace)) {
    return undefined;
  }
  const { slot, steps, lookedOn, previous = SLOT_UNMOVED } = trace;
  return {
    index: slot,
    of: ring.length,
    realServer: destinations[ring[slot]!]?.address,
    full: steps.has('diverted'),
    lookedOn,
    moved: previous !== SLOT_UNMOVED,
    previous: previous < SLOT_MARKED ? destinations[previous]?.address : undefined,
  };
}

function persistenceOf(trace: Trace, matched: Matched): ExplainedPersistence | undefined {
  const { templateFound, templateStored } = trace;
  if (templateFound === undefined && templateStored === undefined) {
    return undefined;
  }
  return { known: entryOf(templateFound, matched), stored: templateStored !== undefined };
}

function destinationOf(trace: Trace, { compiled, addresses }: Matched): ExplainedRealServer | undefined {
  const address = addresses.get(trace.number);
  const index = compiled.destinations.findIndex((each) => each.address === address);
  if (address === undefined || index < 0) {
    return undefined;
  }
  const route = compiled.routes[index]!;
  return {
    address,
    number: trace.number,
    weight: compiled.destinations[index]!.weight,
    local: route.action === 'local',
    mac: route.action === 'forward' ? route.mac : undefined,
    waits: route.action === 'none' ? route.reason : undefined,
    by: chosenBy(trace, compiled),
  };
}

function chosenBy(trace: Trace, { service, ring }: CompiledService): ExplainedRealServer['by'] {
  const { steps, number, found, templateFound } = trace;
  if (steps.has('ring')) {
    return 'slot';
  }
  if (steps.has('first-went')) {
    return 'fragment';
  }
  if (steps.has('scheduled')) {
    return isHashing(service.scheduler) && ring !== undefined && trace.lookedOn === 0 ? 'slot' : 'scheduler';
  }
  if (found?.number === number) {
    return 'flow';
  }
  return templateFound?.number === number ? 'persistence' : 'previous';
}

/** Verdicts of packets that the program turned into an ICMP error. */
const ANSWERED: readonly VerdictName[] = ['no-destination', 'too-long', 'ttl', 'no-egress'];

/** Reads the ICMP error that the program made of the frame. Both ICMPs have the MTU in bytes 6 and 7. */
function answerOf(frame: Uint8Array, { verdict }: Trace): ExplainedAnswer | undefined {
  const { ip } = parseFrame(frame);
  if (!ANSWERED.includes(verdict) || ip === undefined) {
    return undefined;
  }
  const [type = 0, code = 0, , , , , high = 0, low = 0] = frame.subarray(ip.transport);
  return { from: ip.source, type, code, ...(verdict === 'too-long' && { mtu: (high << 8) | low }) };
}

function sentAs(
  image: Image | undefined,
  arrival: Interface,
  frame: Uint8Array,
  { verdict }: Trace,
  destination: ExplainedRealServer | undefined,
  matched: Matched | undefined,
): ExplainedFrame | undefined {
  if (verdict !== 'forwarded' && verdict !== 'redirected') {
    return undefined;
  }
  const index = matched?.compiled.destinations.findIndex(({ address }) => address === destination?.address) ?? -1;
  const route = matched?.compiled.routes[index];
  const egress =
    verdict === 'redirected' && route?.action === 'forward'
      ? image?.interfaces.find(({ ifindex }) => ifindex === route.ifindex)
      : undefined;
  const { destinationMac, sourceMac, vlans } = summarizeFrame(frame);
  return { interface: (egress ?? arrival).name, sourceMac, destinationMac, vlans };
}
