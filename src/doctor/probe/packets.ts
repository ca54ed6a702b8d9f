/** The packets that ask one host for an answer, each with what came of it. */

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { echoRequest, type ProbeWay, tcpSegment } from '../../packet/index.js';
import type { Outcome } from '../facts.js';
import type { Ear } from './ear.js';
import type { Marks } from './filter.js';
import { MOST_PROBES } from './targets.js';
import { ARP_PER_SECOND, PROBES_PER_SECOND, type Sending, type Wire } from './wire.js';

/** How long an answer may take. Two such times, as what is not answered is asked again. */
export const ANSWER_MS = 800;
const WAIT_STEP_MS = 50;

/** Below the ports of Linux's own connections (32768), so that no health check and no program of this host has one of them. */
const FIRST_PORT = { from: 2_000, to: 2_700 } as const;

export const SILENT: Outcome = { kind: 'silent' };

/** Returns what the packets of one examination have, at random: another doctor may be at work at the same time. */
export function newMarks(): Marks {
  return {
    echoId: randomInt(1, 1 << 16),
    firstPort: randomInt(FIRST_PORT.from, FIRST_PORT.to),
    ports: MOST_PROBES,
  };
}

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
  #segments = 0;
  /** What ends the connections that were opened, by the port. */
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
    const sourcePort = this.#marks.firstPort + this.#segments;
    this.#segments += 1;
    const sequence = randomInt(0, 2 ** 31);
    const ports = { sourcePort, destinationPort: port };
    const reset = tcpSegment(way, { ...ports, flags: 'rst', sequence: sequence + 1 });
    this.#resets.set(sourcePort, { ifindex, frame: reset });
    const frame = tcpSegment(way, { ...ports, flags: 'syn', sequence });
    return this.#keep({ ifindex, frame }, { again: true, instead }, (settle) =>
      this.#ear.expectSegment(sourcePort, settle),
    );
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
    this.#ear.onSynAck = (port) => {
      const reset = this.#resets.get(port);
      if (reset !== undefined) {
        this.#wire.sendNow(reset);
      }
    };
    const first = this.#asked.filter(({ instead }) => instead === undefined);
    await this.#sendTwice(first, PROBES_PER_SECOND);
    const second = this.#asked.filter(({ instead }) => instead?.some(({ outcome }) => outcome.kind !== 'answer'));
    // To an answer from a real server's own address the kernel sends a reset, too: for that it asks for its MAC.
    await this.#sendTwice(second, ARP_PER_SECOND);
  }

  async #sendTwice(all: readonly Asked[], perSecond: number): Promise<void> {
    const isSilent = ({ outcome }: Asked): boolean => outcome.kind === 'silent';
    for (let round = 0; round < 2; round += 1) {
      const due = all.filter((each) => isSilent(each) && (each.again || round === 0));
      await this.#wire.send(
        due.map(({ sending }) => sending),
        perSecond,
      );
      // Until all have answered that are expected to, or the time for it is over.
      const end = performance.now() + ANSWER_MS;
      while (performance.now() < end && due.some((each) => each.again && isSilent(each))) {
        await sleep(WAIT_STEP_MS);
      }
    }
  }
}
