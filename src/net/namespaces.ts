/** Finds other network namespaces by the numbers that this one has for them (ip-netns(8), "nsid"). */

import { closeSync, openSync, readdirSync, statSync } from 'node:fs';

import { decodeAttributes, encodePayload, u32 } from './netlink.js';
import type { RequestSocket } from './socket.js';

const RTM_NEWNSID = 88;
const RTM_GETNSID = 90;
/** struct rtgenmsg, aligned. */
const HEADER_BYTES = 4;
const NETNSA = { nsid: 1, fd: 3 } as const;

/** Where "ip netns" has its namespaces. Those of containers are found by a process in them. */
const NAMED = '/run/netns';

/** Numbers for which no namespace was found are looked for again after so long: that reads all of /proc. */
const AGAIN_MS = 60_000;

interface Found {
  /** Undefined: none of the namespaces that can be seen has the number. */
  readonly path: string | undefined;
  readonly inode: number | undefined;
  readonly at: number;
}

export class Namespaces {
  readonly #requests: RequestSocket;
  readonly #found = new Map<number, Found>();

  constructor(requests: RequestSocket) {
    this.#requests = requests;
  }

  /** Returns a path of a namespace; undefined if none is known, for example without the right to see it. */
  async pathOf(nsid: number): Promise<string | undefined> {
    const known = this.#found.get(nsid);
    if (known !== undefined && isFresh(known)) {
      return known.path;
    }
    const path = await this.#find(nsid);
    this.#found.set(nsid, { path, inode: path === undefined ? undefined : inodeOf(path), at: performance.now() });
    return path;
  }

  async #find(nsid: number): Promise<string | undefined> {
    const seen = new Set<number>();
    for (const path of candidates()) {
      const inode = inodeOf(path);
      if (inode === undefined || seen.has(inode)) {
        continue;
      }
      seen.add(inode);
      if ((await this.#nsidOf(path)) === nsid) {
        return path;
      }
    }
    return undefined;
  }

  /** Returns this namespace's number for another; undefined if it has none, or the other is gone. */
  async #nsidOf(path: string): Promise<number | undefined> {
    let fd: number | undefined;
    try {
      fd = openSync(path, 'r');
      const payload = encodePayload(new Uint8Array(HEADER_BYTES), new Map([[NETNSA.fd, u32(fd)]]));
      const messages = await this.#requests.request(RTM_GETNSID, 0, payload, `number of ${path}`);
      const answer = messages.find(({ type }) => type === RTM_NEWNSID);
      const nsid = answer && decodeAttributes(answer.payload, HEADER_BYTES).get(NETNSA.nsid);
      return nsid && new DataView(nsid.buffer, nsid.byteOffset, nsid.byteLength).getInt32(0, true);
    } catch {
      // It ended meanwhile, or may not be looked at: then it is not the one that can be told.
      return undefined;
    } finally {
      if (fd !== undefined) {
        closeSync(fd);
      }
    }
  }
}

/** The path is still the same namespace; the number of a process may be another's by now. */
function isFresh({ path, inode, at }: Found): boolean {
  return path === undefined ? performance.now() - at < AGAIN_MS : inodeOf(path) === inode;
}

function candidates(): string[] {
  const named = namesIn(NAMED).map((name) => `${NAMED}/${name}`);
  const processes = namesIn('/proc').filter((name) => /^\d+$/.test(name));
  return [...named, ...processes.map((pid) => `/proc/${pid}/ns/net`)];
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}
