/** What the program and the oracle say of one packet at one moment, and whether it is the same. */

import type { Image, Numbering } from '../image/index.js';
import { type Decision, Oracle } from '../oracle/index.js';
import type { Explained, Explainer } from './explainer.js';
import type { MapSet } from './map-set.js';
import { LiveRecall } from './recall.js';

export interface Explanation {
  readonly explained: Explained;
  readonly decision: Decision;
  /** In what the two differ; empty: they agree. */
  readonly differences: readonly Difference[];
}

export interface Difference {
  readonly what: string;
  readonly program: string;
  readonly oracle: string;
}

/** What packets run on. */
export interface Surroundings {
  readonly set: MapSet;
  readonly image: Image;
  readonly numbering: Numbering;
}

/**
 * Asks both. Nothing happens in between but what packets do.
 *
 * @param ifindex of the interface that the frame came by
 */
export function explainOnce(
  explainer: Explainer,
  { set, image, numbering }: Surroundings,
  frame: Uint8Array,
  ifindex: number | undefined,
): Explanation {
  const oracle = new Oracle(image, undefined, undefined, new LiveRecall(set, numbering));
  const decision = oracle.decide(frame, ifindex);
  const explained = explainer.explain(frame, ifindex);
  return { explained, decision, differences: compare(explained, decision, numbering) };
}

function compare({ trace, frame }: Explained, decision: Decision, numbering: Numbering): Difference[] {
  const { service, owner = '', destination, opensFlow = false, bytes = 0 } = decision;
  const numbers = service && numbering.get(service.name);
  const server = destination === undefined ? undefined : service?.destinations[destination]?.address;
  const counted = trace.counted === 0 ? undefined : (nameIn(numbers?.destinations, trace.counted) ?? 'nobody of it');
  const pairs: (readonly [what: string, program: string, oracle: string])[] = [
    ['verdict', trace.verdict, decision.verdict],
    ['service', String(trace.match?.service ?? 'none'), String(numbering.get(owner)?.number ?? 'none')],
    ['real server', counted ?? 'none', server ?? 'none'],
    ['begins a flow', String(trace.opens), String(opensFlow)],
    ['bytes', String(trace.ipBytes), String(bytes)],
    ['frame', hex(frame), hex(decision.frame)],
  ];
  return pairs
    .filter(([, program, oracle]) => program !== oracle)
    .map(([what, program, oracle]) => ({ what, program, oracle }));
}

function nameIn(destinations: ReadonlyMap<string, number> | undefined, wanted: number): string | undefined {
  return [...(destinations ?? [])].find(([, number]) => number === wanted)?.[0];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
