/** Finds the other ends of veths, in this network namespace or another. */

import { Namespaces } from './namespaces.js';
import { decodeLink, type Link, linkPayload, RTM_GETLINK, RTM_NEWLINK } from './rtnetlink.js';
import { NetlinkError, type RequestSocket } from './socket.js';

/** The other end of a veth. */
export interface Peer {
  readonly name: string;
  /** The path of its network namespace; undefined: the caller's own. */
  readonly namespace: string | undefined;
}

export class Peers {
  readonly #requests: RequestSocket;
  readonly #namespaces: Namespaces;

  constructor(requests: RequestSocket) {
    this.#requests = requests;
    this.#namespaces = new Namespaces(requests);
  }

  /**
   * Returns the other end of a veth; undefined if it cannot be seen, or the link is no veth.
   *
   * @param links those of this namespace, by index
   */
  async of({ peer: end }: Link, links: ReadonlyMap<number, Link>): Promise<Peer | undefined> {
    if (end === undefined) {
      return undefined;
    }
    const { ifindex, nsid } = end;
    if (nsid === undefined) {
      const peer = links.get(ifindex);
      return peer && { name: peer.name, namespace: undefined };
    }
    const namespace = await this.#namespaces.pathOf(nsid);
    const peer = namespace === undefined ? undefined : await this.#linkIn(nsid, ifindex);
    return peer && { name: peer.name, namespace };
  }

  /** Returns a link of another network namespace; undefined if it may not be seen, or is gone. */
  async #linkIn(nsid: number, ifindex: number): Promise<Link | undefined> {
    try {
      const messages = await this.#requests.request(RTM_GETLINK, 0, linkPayload(ifindex, nsid), `link ${ifindex}`);
      const answer = messages.find(({ type }) => type === RTM_NEWLINK);
      return answer && decodeLink(answer);
    } catch (error) {
      if (error instanceof NetlinkError) {
        return undefined;
      }
      throw error;
    }
  }
}
