/** From a model to the tables that packets follow. Pure: nothing here touches a map. */

export { buildMhTable, buildShTable, foldAddress, MH_SLOTS, mhSlot, SH_SLOTS, shSlot } from './ipvs-hash.js';
export {
  type Compilable,
  compile,
  type CompiledService,
  featureNames,
  type Image,
  type Route,
  SLOT_MARKED,
  SLOT_UNMOVED,
} from './compile.js';
export { TIMEOUT_OF, timeoutSeconds } from './timeouts.js';
export { flowOwnerName, markEntries, markEntryName } from './marks.js';
export {
  CANDIDATE_BYTES,
  DESTINATION_BYTES,
  DESTINATIONS_HEADER_BYTES,
  EGRESS_BYTES,
  encodeCandidates,
  encodeDestinations,
  encodeDestinationsHeader,
  encodeEgresses,
  encodeIdentities,
  encodeNics,
  encodePolicy,
  encodeServices,
  encodeSlots,
  fits,
  FLOW_WAYS,
  forProtocol,
  type Geometry,
  grow,
  isSequence,
  MARK_PROTOCOL,
  persistenceMask,
  type Places,
  placeServices,
  placeTables,
  PROGRAM_SCHEDULER,
  requiredGeometry,
  requireMemory,
  type ServicePlacement,
  SLOT_BYTES,
  SMALLEST_GEOMETRY,
} from './tables.js';
export { highestNumbers, type Numbering, type NumberSet, renumber, type ServiceNumbers } from './numbering.js';
export { type Ring } from './ring.js';
export { advance, canMove, type History, type Moves, movesOf, sameSlots, type Windows, windowsOf } from './moves.js';
export { wrrSequence } from './sequence.js';
