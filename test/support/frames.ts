/** A plain frame of a client to a service, for tests of frames and captures. */

import { ip, mac } from '../../src/model/index.js';

export const PLAIN = {
  destinationMac: mac('00:50:00:00:04:00'),
  sourceMac: mac('00:50:00:00:03:00'),
  source: ip('192.168.1.12'),
  destination: ip('192.168.1.100'),
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort: 80,
} as const;
