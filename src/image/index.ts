/** From a model to the tables that packets follow. Pure: nothing here reads or writes a map, a file or a clock. */

// The pipeline.
export { compile } from './compile.js';
export { type Compilable, type CompiledService, type Ghost, type Image, SLOT_MARKED, SLOT_UNMOVED } from './image.js';
export { forwardedBy } from './forwarded.js';
export { featureNames } from './features.js';
export { ghostOf, ghostOfEntry, withGhosts } from './ghosts.js';
export { isHeld, keepsFlows, waitsForServers } from './held.js';
export { flowOwnerName, markEntries } from './marks.js';
export type { Ring } from './ring.js';
export { isSameRoute, type Route } from './routes.js';
export { TIMEOUT_OF, timeoutSeconds } from './timeouts.js';

// Moved slots.
export type { History, Windows } from './epoch.js';
export { advance, windowsOf } from './history.js';
export { canMove, type Moves, movesOf, sameSlots } from './moves.js';

// Numbers in the maps.
export {
  type DestinationNumber,
  destinationNumber,
  highestNumbers,
  NO_NUMBERS,
  type Numbering,
  type NumberSet,
  renumber,
  type ServiceNumber,
  serviceNumber,
  type ServiceNumbers,
} from './numbering.js';

// Sizes and places of tables.
export {
  CANDIDATE_BYTES,
  DESTINATION_BYTES,
  DESTINATIONS_HEADER_BYTES,
  EGRESS_BYTES,
  fits,
  FLOW_WAYS,
  type Geometry,
  grow,
  requiredGeometry,
  requireMemory,
  SLOT_BYTES,
  SMALLEST_GEOMETRY,
} from './tables/geometry.js';
export { ghostKeysOf, keysOf } from './tables/service-keys.js';
export { type Places, placeTables } from './tables/places.js';

// The bytes of tables.
export { encodeDestinations, encodeDestinationsHeader, encodeEgresses, encodeSlots } from './tables/destinations.js';
export { decodeGhosts, decodeNumbering, encodeIdentities, type IdentityTable } from './tables/identities.js';
export { withLeaving, withoutLeaving } from './leaving.js';
export { gainsMac, type MacAbove, macsAbove } from './above.js';
export { encodeNics } from './tables/nics.js';
export {
  encodeCandidates,
  encodeGhostPolicy,
  encodePolicy,
  isSequence,
  maskOf,
  persistenceMask,
  PROGRAM_SCHEDULER,
} from './tables/policies.js';
export { encodeServices, forProtocol, placeServices, type ServicePlacement } from './tables/services.js';

// The tables of IPVS's schedulers, which the oracle looks flows up in.
export { buildMhTable, buildShTable, foldAddress, MH_SLOTS, mhSlot, SH_SLOTS, shSlot } from './ipvs-hash.js';
export { askedAdded, askedAfter, askedAt, askedFirst, roundBegin, wrrSequence } from './sequence.js';
