/** The shape of the flow hand-over in the configuration file. */

import { z } from 'zod';

import { DEFAULT_HAND_OVER_PORT, type FlowHandOver } from '../model/index.js';
import { absolutePath } from './schema-check-values.js';
import { ipAddress, wholeNumber } from './schema-values.js';

/** At the top of the file, and of a host. */
export const flowHandOver = z
  .strictObject(
    {
      listen: ipAddress("This director's own address: it listens here, and connects from here.").meta({
        description:
          "This director's own address, by which the other one reaches it: it listens here, and connects from here.",
      }),
      peer: ipAddress("The other director's own address.").meta({ description: "The other director's own address." }),
      port: wholeNumber(1, 65_535)
        .default(DEFAULT_HAND_OVER_PORT)
        .meta({ description: `The TCP port on both directors. Default: ${DEFAULT_HAND_OVER_PORT}.` }),
      certificate: absolutePath.optional().meta({
        description: "A file with this director's certificate, in PEM, with those between it and the authority's.",
      }),
      key: absolutePath.optional().meta({ description: 'The file with the key of the certificate.' }),
      authority: absolutePath.optional().meta({
        description:
          'A file with the certificate of the authority, in PEM. Whoever has a certificate of it is trusted: take one that has no other use.',
      }),
      plain: z
        .literal(true, { error: 'must be true, or left out' })
        .optional()
        .meta({ description: 'true: without TLS, for a path that WireGuard or a cable of its own protects.' }),
    },
    { error: 'must be a mapping with "listen", "peer" and files for TLS' },
  )
  .meta({
    description:
      'The directors tell each other which real server each flow has, so that connections under rr, wlc and others, and ' +
      'persistence, survive a failover. Default: they do not.',
  });

export type ConfigHandOver = z.output<typeof flowHandOver>;

export const handOverKeys: readonly string[] = Object.keys(flowHandOver.shape);

export function modelOfHandOver({ listen, peer, port, certificate, key, authority }: ConfigHandOver): FlowHandOver {
  const isWhole = certificate !== undefined && key !== undefined && authority !== undefined;
  return { listen, peer, port, ...(isWhole && { tls: { certificate, key, authority } }) };
}
