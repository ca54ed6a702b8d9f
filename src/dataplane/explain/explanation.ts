/** Explanations: one packet traced by the program and decided by the oracle at one moment, and compared. */

import type { Image, Numbering } from '../../image/index.js';
import { type Decision, Oracle } from '../../oracle/index.js';
import type { MapSet } from '../maps/map-set.js';
import type { Explained, Explainer } from './explainer.js';
import { LiveRecall } from './recall.js';

export interface Explanation {
  readonly explained: Explained;
  readonly decision: Decision;
  /** The differences of the two; empty if they agree. */
  readonly differences: readonly Difference[];
}

export interface Difference {
  readonly what: string;
  readonly program: string;
  readonly oracle: string;
}

/** The maps that packets follow, and the image that is in them. */
export interface ExplainContext {
  readonly set: MapSet;
  readonly image: Image;
  readonly numbering: Numbering;
}

/**
 * Asks the oracle, then the program. Packets can change the maps in between.
 *
 * @param ifindex the interface that the frame arrives by
 */
export function explainOnce(
  explainer: Explainer,
  { set, image, numbering }: ExplainContext,
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
  const realServer = destination === undefined ? undefined : service?.destinations[destination]?.address;
  const counted =
    trace.counted === 0 ? undefined : (nameIn(numbers?.destinations, trace.counted) ?? 'none of the service');
  const matched = [
    'service',
    String(trace.match?.service ?? 'none'),
    String(numbering.get(owner)?.number ?? 'none'),
  ] as const;
  const decided: (readonly [what: string, program: string, oracle: string])[] = [
    [
      'verdict',
      trace.verdict,
      decision.lingers === true && trace.verdict === 'no-service' ? trace.verdict : decision.verdict,
    ],
    ['real server', counted ?? 'none', realServer ?? 'none'],
    ['begins a flow', String(trace.opens), String(opensFlow)],
    ['bytes', String(trace.ipBytes), String(bytes)],
    ['frame', hex(frame), hex(decision.frame)],
  ];
  // The oracle's tables are never full, so that it says nothing of what the program decides for want of room.
  const wantsRoom = trace.steps.has('no-room') || trace.steps.has('crowded');
  return [matched, ...(wantsRoom ? [] : decided)]
    .filter(([, program, oracle]) => program !== oracle)
    .map(([what, program, oracle]) => ({ what, program, oracle }));
}

function nameIn(destinations: ReadonlyMap<string, number> | undefined, wanted: number): string | undefined {
  return [...(destinations ?? [])].find(([, number]) => number === wanted)?.[0];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
