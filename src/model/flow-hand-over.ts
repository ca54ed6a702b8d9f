/** Flow hand-over: what two directors need in order to tell each other of their flows. */

import type { IpAddress } from './address.js';
import type { Warning } from './warning.js';

/** Two directors of one configuration tell each other which real server each flow has. */
export interface FlowHandOver {
  /** An address of this host: here it listens, and from here it connects. */
  readonly listen: IpAddress;
  /** The other director's. */
  readonly peer: IpAddress;
  /** The TCP port on both. */
  readonly port: number;
  /** Files for TLS, by absolute paths. Undefined: `plain`. */
  readonly tls?: HandOverFiles | undefined;
}

export interface HandOverFiles {
  readonly certificate: string;
  readonly key: string;
  /** The certificates of the authority of both directors: whoever has a certificate of it is trusted. */
  readonly authority: string;
}

/** No service has it at IANA. */
export const DEFAULT_HAND_OVER_PORT = 7447;

export function handOverWarnings({ flowHandOver }: { readonly flowHandOver?: FlowHandOver | undefined }): Warning[] {
  return flowHandOver === undefined || flowHandOver.tls !== undefined
    ? []
    : [
        {
          code: 'HAND_OVER_PLAIN',
          message:
            `flowHandOver: flows go to ${flowHandOver.peer} without TLS: whoever is on that path reads the addresses of clients, ` +
            'and can send their connections to other real servers',
          remedy:
            'let WireGuard or a cable of its own protect the path, or give "certificate", "key" and "authority" in place of "plain"',
        },
      ];
}
