/** Keeps early fragments for a second, by packet, within bounds of number and bytes: the oldest packets make room. */

/** How long a fragment waits for its first one. */
export const KEPT_MS = 1000;
const MAX_FRAGMENTS = 4096;
const MAX_BYTES = 2 ** 21;

/**
 * How many fragments of one packet: 64 KB in the 576 bytes that every network carries (RFC 791) are 119. Each new one is
 * compared with those that are kept, so that more would be a way to keep the daemon busy.
 */
const MAX_FRAGMENTS_OF_PACKET = 128;

/** A flood: so many records at once. */
const FLOOD_RECORDS = 256;
const FLOOD_PAUSE_MS = 20;

/** The first look for the first fragment; then whenever a packet has waited twice as long, so that a flood costs little. */
const FIRST_LOOK_MS = 2;

export interface KeptFragment {
  readonly ifindex: number;
  readonly frame: Uint8Array;
  /** Where in the packet its bytes belong. */
  readonly offset: number;
}

/** A packet of which fragments are kept. */
export interface KeptPacket<Detail> {
  readonly detail: Detail;
  /** Those that wait, in the order of arrival. */
  waiting: KeptFragment[];
  /** Those that were sent: what comes back from the program is not kept again. */
  readonly sent: KeptFragment[];
  readonly since: number;
  nextLook: number;
}

/**
 * Returns for how long to leave the ring buffer alone after so many records took so many milliseconds: what it cannot take
 * meanwhile is lost.
 */
export function pauseAfter(records: number, spentMs: number): number {
  return records < FLOOD_RECORDS ? 0 : Math.max(FLOOD_PAUSE_MS, restAfter(spentMs));
}

/** The daemon has other things to do: it rests four times as long as it worked. */
function restAfter(spentMs: number): number {
  return 4 * spentMs;
}

/** Returns when to look for first fragments again after a look that took so many milliseconds. */
export function lookAfter(spentMs: number): number {
  return Math.max(FIRST_LOOK_MS, restAfter(spentMs));
}

function inOrder({ waiting }: KeptPacket<unknown>): KeptFragment[] {
  return waiting.toSorted((a, b) => a.offset - b.offset);
}

/** Times are milliseconds of any clock that does not go back. */
export class KeptFragments<Detail> {
  readonly #packets = new Map<string, KeptPacket<Detail>>();
  #fragments = 0;
  #bytes = 0;

  /** Whether any fragment waits. */
  get isIdle(): boolean {
    return this.#packets.size === 0;
  }

  get fragments(): number {
    return this.#fragments;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Keeps a fragment, unless the same is kept or was sent already, or too many of its packet.
   *
   * @param key tells its packet from others
   */
  add(key: string, detail: Detail, fragment: KeptFragment, now: number): void {
    const packet = this.#packets.get(key) ?? { detail, waiting: [], sent: [], since: now, nextLook: now };
    const { sent, waiting } = packet;
    const isSame = ({ frame }: KeptFragment): boolean => Buffer.compare(frame, fragment.frame) === 0;
    if (sent.length + waiting.length >= MAX_FRAGMENTS_OF_PACKET || sent.some(isSame) || waiting.some(isSame)) {
      return;
    }
    this.#packets.set(key, packet);
    waiting.push(fragment);
    // An old packet's new fragment is looked at at once: its first one may be there.
    packet.nextLook = now;
    this.#fragments += 1;
    this.#bytes += fragment.frame.length;
    for (const oldest of this.#packets.keys()) {
      if (this.#fragments <= MAX_FRAGMENTS && this.#bytes <= MAX_BYTES) {
        break;
      }
      this.#forget(oldest);
    }
  }

  /** Forgets what waited for too long. */
  expire(now: number): void {
    for (const [key, { since }] of this.#packets) {
      if (now - since < KEPT_MS) {
        return;
      }
      this.#forget(key);
    }
  }

  /** Those that wait, each packet's in the order of its bytes. */
  get waiting(): KeptFragment[] {
    return [...this.#packets.values()].flatMap(inOrder);
  }

  /** Takes the fragments of packets whose first one has come, each packet's in the order of its bytes. */
  take(now: number, isFirstThere: (detail: Detail) => boolean): KeptFragment[] {
    const taken: KeptFragment[] = [];
    for (const packet of this.#packets.values()) {
      if (packet.waiting.length === 0 || now < packet.nextLook) {
        continue;
      }
      packet.nextLook = now + Math.max(FIRST_LOOK_MS, now - packet.since);
      if (isFirstThere(packet.detail)) {
        const ready = inOrder(packet);
        packet.waiting = [];
        packet.sent.push(...ready);
        taken.push(...ready);
      }
    }
    return taken;
  }

  #forget(key: string): void {
    const { waiting, sent } = this.#packets.get(key)!;
    for (const { frame } of [...waiting, ...sent]) {
      this.#fragments -= 1;
      this.#bytes -= frame.length;
    }
    this.#packets.delete(key);
  }
}
