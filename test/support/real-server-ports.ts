/** The ports of a real server for checks, by how it answers there. */
export const PORTS = {
  http: 80,
  hang: 81,
  reset: 82,
  drip: 83,
  flood: 84,
  half: 85,
  chunks: 86,
  untilClose: 87,
  noBody: 88,
  ssh: 89,
  dialogue: 90,
  greetReset: 91,
  answerReset: 92,
} as const;

/** A datagram to the VIP is answered from the RIP there. */
export const RIP_ANSWERS_PORT = 98;

/** Nobody listens there. */
export const CLOSED_PORT = 99;
