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
} as const;

/** Nobody listens there. */
export const CLOSED_PORT = 99;
