/** The packets that ask one host for an answer, each with what came of it. */

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { echoRequest, type ProbeWay, tcpSegment } from '../../packet/index.js';
import type { Outcome } from '../facts.js';
import type { Ear } from './ear.js';
import type { Marks } from './filter.js';
import { MOST_PROBES } from './targets.js';
import { PROBES_PER_SECOND, type Sending, type Wire } from './wire.js';

/** How long an answer may take. Two such times, as what is not answered is asked again. */
export const ANSWER_MS = 800;
const WAIT_STEP_MS = 50;

export const SILENT: Outcome = { kind: 'silent' };

/** A packet that asks, and what came of it. */
export interface Probe {
  readonly outcome: Outcome;
  readonly isSent: boolean;
}

interface Asked {
  outcome: Outcome;
  isSent: boolean;
  readonly sending: Sending;
  readonly again: boolean;
  /** It is asked only if one of these is not answered. */
  readonly instead: readonly Probe[] | undefined;
}

export class Packets {
  readonly #ear: Ear;
  readonly #wire: Wire;
  readonly #marks: Marks;
  readonly #now: () => number;
  readonly #asked: Asked[] = [];
  #echoes = 0;
  /** How many SYNs go to a port of an address. */
  readonly #segments = new Map<string, number>();
  /** What ends the connections that were opened, by the sequence number of the SYN. */
  readonly #resets = new Map<number, Sending>();

  constructor(ear: Ear, wire: Wire, marks: Marks, now: () => number) {
    this.#ear = ear;
    this.#wire = wire;
    this.#marks = marks;
    this.#now = now;
  }

  /**
   * Undefined: there is no address to ask from, or too much is asked already.
   *
   * @param length of the IP packet; default: the shortest
   * @param again whether it is sent once more if nothing answers; not where silence is what is expected
   */
  echo(
    ifindex: number,
    way: ProbeWay | undefined,
    { length, again = true }: { readonly length?: number; readonly again?: boolean } = {},
  ): Probe | undefined {
    if (way === undefined || this.#asked.length >= MOST_PROBES) {
      return undefined;
    }
    const sequence = this.#echoes;
    this.#echoes += 1;
    const frame = echoRequest(way, { id: this.#marks.echoId, sequence, ...(length !== undefined && { length }) });
    return this.#keep({ ifindex, frame }, { again }, (settle) => this.#ear.expectEcho(sequence, settle));
  }

  /**
   * A SYN to a port; the connection is reset as soon as it is taken. Undefined: as of `echo`.
   *
   * @param instead it is sent only if one of these is not answered
   */
  syn(ifindex: number, port: number, way: ProbeWay | undefined, instead?: readonly Probe[]): Probe | undefined {
    if (way === undefined || this.#asked.length >= MOST_PROBES) {
      return undefined;
    }
    // A host that is several real servers tells connections apart by the port, and the doctor by the sequence number.
    const key = `${way.destination} ${port}`;
    const before = this.#segments.get(key) ?? 0;
    this.#segments.set(key, before + 1);
    const sourcePort = this.#marks.firstPort + (before % this.#marks.ports);
    const sequence = this.#newSequence();
    const ports = { sourcePort, destinationPort: port };
    const reset = tcpSegment(way, { ...ports, flags: 'rst', sequence: sequence + 1 });
    this.#resets.set(sequence, { ifindex, frame: reset });
    const frame = tcpSegment(way, { ...ports, flags: 'syn', sequence });
    return this.#keep({ ifindex, frame }, { again: true, instead }, (settle) =>
      this.#ear.expectSegment(sequence, settle),
    );
  }

  #newSequence(): number {
    for (;;) {
      const sequence = randomInt(0, 2 ** 31);
      if (!this.#resets.has(sequence)) {
        return sequence;
      }
    }
  }

  #keep(
    { ifindex, frame }: Pick<Sending, 'ifindex' | 'frame'>,
    { again, instead }: { readonly again: boolean; readonly instead?: readonly Probe[] | undefined },
    expect: (settle: (outcome: Outcome) => void) => (at: number) => void,
  ): Probe {
    const noteSent = expect((outcome) => {
      // The first answer counts, but an answer counts more than an error that another host sends.
      if (asked.outcome.kind === 'silent' || (asked.outcome.kind === 'icmp' && outcome.kind !== 'icmp')) {
        asked.outcome = outcome;
      }
    });
    const onSent = (): void => {
      asked.isSent = true;
      noteSent(this.#now());
    };
    const asked: Asked = { outcome: SILENT, isSent: false, sending: { ifindex, frame, onSent }, again, instead };
    this.#asked.push(asked);
    return asked;
  }

  /** Sends what asks, once more what was not answered, and then what is asked instead. */
  async send(): Promise<void> {
    // The real server must not wait for the rest of a connection that nobody wants.
    this.#ear.onSynAck = (sequence) => {
      const reset = this.#resets.get(sequence);
      if (reset !== undefined) {
        this.#wire.sendNow(reset);
      }
    };
    const first = this.#asked.filter(({ instead }) => instead === undefined);
    await this.#sendTwice(first);
    const second = this.#asked.filter(({ instead }) => instead?.some(({ outcome }) => outcome.kind !== 'answer'));
    await this.#sendTwice(second);
  }

  async #sendTwice(all: readonly Asked[]): Promise<void> {
    const isSilent = ({ outcome }: Asked): boolean => outcome.kind === 'silent';
    for (let round = 0; round < 2; round += 1) {
      const due = all.filter((each) => isSilent(each) && (each.again || round === 0));
      await this.#wire.send(
        due.map(({ sending }) => sending),
        PROBES_PER_SECOND,
      );
      // Until all have answered that are expected to, or the time for it is over.
      const end = performance.now() + ANSWER_MS;
      while (performance.now() < end && due.some((each) => each.again && isSilent(each))) {
        await sleep(WAIT_STEP_MS);
      }
    }
  }
}
