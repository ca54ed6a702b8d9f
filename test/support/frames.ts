/** A plain frame of a client to a service, for tests of frames and captures. */

export const PLAIN = {
  destinationMac: '00:50:00:00:04:00',
  sourceMac: '00:50:00:00:03:00',
  source: '192.168.1.12',
  destination: '192.168.1.100',
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort: 80,
} as const;
